/* Stands in for `python` in a sanitised tree: the same interpreter with the sanitizer's runtime in front.
 *
 * The runtime must be there before anything else is loaded, so it is preloaded; into the interpreter alone, never into a shell or a
 * Java process that a test starts: the tree's site-packages take LD_PRELOAD out of the environment again, and sys.executable is this
 * file, so that a Python which a test starts comes through here as well.
 *
 * Built with -DRUNTIME="..." -DINTERPRETER="..." (absolute paths).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

int main(int count, char **arguments) {
    (void)count;
    /* Shadow memory has fixed addresses; where a kernel spreads mappings over 32 bits (Ubuntu's does), they may be taken. What is not
     * permitted here (some containers) is no error yet: the run's first step tries whether the runtime starts. */
    int now = personality(0xffffffff);
    if (now >= 0 && !(now & ADDR_NO_RANDOMIZE)) personality((unsigned long)now | ADDR_NO_RANDOMIZE);
    if (setenv("LD_PRELOAD", RUNTIME, 1) == 0) execv(INTERPRETER, arguments);
    fprintf(stderr, "cannot start %s: %s\n", INTERPRETER, strerror(errno));
    return 127;
}
