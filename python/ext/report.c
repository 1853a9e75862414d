/*
 * report: see report.h.
 *
 * A report holds a fixed number of checks, more than there are; what does not fit would be a mistake of ours and
 * counts as a failed check, never as a passed one.
 */
#include "report.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

bool exvi_report_add(exvi_report *report, const char *name, bool ok, const char *format, ...)
{
    bool room = report->count < EXVI_CHECKS;
    exvi_check *check = &report->check[room ? report->count++ : EXVI_CHECKS - 1];
    check->name = name;
    check->ok = ok && room;
    va_list args;
    va_start(args, format);
    vsnprintf(check->text, sizeof check->text, format, args);
    va_end(args);
    return check->ok;
}

const exvi_check *exvi_report_failed(const exvi_report *report)
{
    for (int i = 0; i < report->count; i++)
        if (!report->check[i].ok)
            return &report->check[i];
    return NULL;
}
