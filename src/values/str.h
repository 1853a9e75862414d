/*
 * str: what other files need of strings beyond exuvia.h.
 */
#ifndef EXVI_STR_H
#define EXVI_STR_H

#include "text.h"

/* EXV_UNICODE_ERROR, worded as Python's decoder does, unless the bytes are UTF-8. */
exv_status exvi_utf8_check(exv_heap *heap, const char *utf8, size_t size);

/* A new str of bytes that are known to be UTF-8. NULL: no memory, and the message is set. */
exv_str *exvi_str_new_valid(exv_heap *heap, const char *utf8, size_t size);

/* The end of a text: an owned str, or NULL if something failed. Gives the buffer back. */
exv_str *exvi_text_take(exvi_text *text);

/* The hash of the same text as a str has it. */
uint64_t exvi_str_hash_of(exv_heap *heap, const char *utf8, size_t size);

bool exvi_str_is(const exv_str *self, const char *utf8, size_t size);

/* The same, quick to say no, with the hash of the text. */
bool exvi_str_has(const exv_str *self, uint64_t hash, const char *utf8, size_t size);

#endif
