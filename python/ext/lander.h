/*
 * lander: a thread that sees to it that a search ends by itself, whatever the program does.
 *
 * Young collections land what a search has found, and where the program makes none, child, answer and free log would
 * stay. So each search is watched by a thread of ours, which lives as long as the search and touches nothing. Where the
 * child has ended and no young collection has come for a while, it takes the GIL for moments, lands the answer as a
 * young collection would (which runs nothing of the program's), and asks the main thread for a young collection at its
 * next safe point. Where every thread sits in C with the GIL, that waits.
 *
 * It ends before a fork of the program's, since CPython warns of forks beside other threads, and is begun again by the
 * next young collection.
 */
#ifndef EXVI_LANDER_H
#define EXVI_LANDER_H

/* At the end of a collection or of a call: a search that is up is watched from now on, one that has landed is not.
 * Where no thread can be had young collections alone land it. */
void exvi_lander_follow(void);

/* Until none of our threads is left, for the system either; gives up the GIL where it must wait for one. */
void exvi_lander_wait(void);

/* This process was forked: it has none. */
void exvi_lander_forked(void);

#endif
