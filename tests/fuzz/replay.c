/*
 * replay: run files of a corpus through operations.c without a fuzzer, so that every build and compiler keeps what a
 * fuzzer once found. Folders are walked; the names of the files are printed as TAP.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char data[1 << 20];

static int replay(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    return LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
    int number = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        struct dirent **entries;
        int count = scandir(argv[i], &entries, NULL, alphasort);
        for (int k = 0; k < count; k++) {
            const char *name = entries[k]->d_name;
            if (name[0] != '.') {
                int result = replay(argv[i], name);
                failed += result != 0;
                printf("%sok %d - %s\n", result ? "not " : "", ++number, name);
                fflush(stdout);
            }
            free(entries[k]);
        }
        if (count >= 0)
            free(entries);
    }
    return failed || number == 0;
}
