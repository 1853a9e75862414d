/*
 * Which characters repr shows as they are: samples of each kind, and how many there are in Unicode 14.
 */
#include "value_makers.h"

#include "printable.h"

static void samples(void **state)
{
    (void)state;
    static const uint32_t shown[] = {' ', '~', 0xa1, 0xe9, 0x377, 0x20ac, 0xfffd, 0x1f40d, 0x3134a, 0xe01ef};
    static const uint32_t escaped[] = {
        0, '\n', 0x1f, 0x7f, 0x85, 0xa0, /* controls, no-break space */
        0xad, 0x200b, 0xfeff, 0xe0001,   /* formats */
        0x2028, 0x2029, 0x3000,          /* separators */
        0xd800, 0xdfff, 0xe000, 0xf0000, /* surrogates, private use */
        0x378, 0x3134b, 0xffff, 0x10ffff /* not assigned */
    };
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        assert_true(exvi_is_printable(shown[i]));
    for (size_t i = 0; i < sizeof escaped / sizeof *escaped; i++)
        assert_false(exvi_is_printable(escaped[i]));
}

static void as_many_as_python_has(void **state)
{
    (void)state;
    size_t count = 0;
    for (uint32_t character = 0; character < 0x110000; character++)
        count += exvi_is_printable(character);
    assert_int_equal(count, 144516);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples),
        cmocka_unit_test(as_many_as_python_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
