/*
 * report: what was checked of this interpreter and this system, in order.
 *
 * Installation stops at the first check that fails; `exuvia doctor` shows them all. A check that could not be made
 * because an earlier one failed is not in the report.
 */
#ifndef EXVI_REPORT_H
#define EXVI_REPORT_H

#include <stdbool.h>

enum { EXVI_CHECKS = 24, EXVI_CHECK_TEXT = 200 };

typedef struct exvi_check {
    const char *name;             /* static */
    bool ok;
    char text[EXVI_CHECK_TEXT];   /* what was found */
} exvi_check;

typedef struct exvi_report {
    int count;
    exvi_check check[EXVI_CHECKS];
} exvi_report;

/* Adds one check and returns `ok`. */
bool exvi_report_add(exvi_report *report, const char *name, bool ok, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The first failed check, or NULL. */
const exvi_check *exvi_report_failed(const exvi_report *report);

#endif
