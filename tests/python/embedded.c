/*
 * A program that embeds Python, and begins it anew as often as it has arguments: each is what that interpreter runs.
 */
#include <Python.h>

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        Py_InitializeEx(0);
        failed += PyRun_SimpleString(argv[i]) != 0;
        failed += Py_FinalizeEx() != 0;
    }
    return failed;
}
