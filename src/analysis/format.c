/*
 * format: see format.h.
 */
#include "format.h"

_Static_assert(sizeof(exvi_heap_header) == 64 && sizeof(exvi_heap_entry) == 32 && sizeof(exvi_heap_type) == 48,
               "as the file has them");

const exvi_section_form exvi_section_forms[EXVI_SECTIONS] = {
    [EXVI_NADDR] = {"naddr", 8},
    [EXVI_NTYPE] = {"ntype", 4},
    [EXVI_NSIZE] = {"nsize", 4},
    [EXVI_NREF] = {"nref", 4},
    [EXVI_NFLAG] = {"nflag", 1},
    [EXVI_EROW] = {"erow", 8},
    [EXVI_EDST] = {"edst", 4},
    [EXVI_ELABEL] = {"elabel", 4},
    [EXVI_TYPES] = {"types", sizeof(exvi_heap_type)},
    [EXVI_STROFF] = {"stroff", 8},
    [EXVI_STRBYTE] = {"strbyte", 1},
    [EXVI_ROOTS] = {"roots", sizeof(exvi_heap_root)},
    [EXVI_BIGSIZE] = {"bigsize", sizeof(exvi_heap_bigsize)},
    [EXVI_CODE] = {"code", sizeof(exvi_heap_code)},
    [EXVI_VALUES] = {"values", sizeof(exvi_heap_value)},
    [EXVI_INFO] = {"info", 1},
};

uint64_t exvi_column_items(exvi_section column, uint64_t nodes, uint64_t edges)
{
    return column == EXVI_EROW ? nodes + 1 : column >= EXVI_EDST ? edges : nodes;
}
