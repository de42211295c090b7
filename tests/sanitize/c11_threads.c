/* C11's threads on top of pthreads, for ThreadSanitizer, preloaded behind its runtime.
 *
 * librdkafka calls thrd_create, mtx_lock and cnd_wait. gcc's runtime knows the pthread functions only, and glibc's C11 ones reach
 * their insides without going through them: its threads would be unknown (which crashes the runtime) and its locks invisible (which
 * makes races of what they order). glibc's types are the same under both names.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t)
               && sizeof(thrd_t) == sizeof(pthread_t), "C11's types are not pthreads' here");

static int result(int code) {
    switch (code) {
        case 0: return thrd_success;
        case ENOMEM: return thrd_nomem;
        case ETIMEDOUT: return thrd_timedout;
        case EBUSY: return thrd_busy;
        default: return thrd_error;
    }
}

struct start { thrd_start_t function; void *argument; };

static void *run(void *given) {
    struct start start = *(struct start *)given;
    free(given);
    return (void *)(intptr_t)start.function(start.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument) {
    struct start *start = malloc(sizeof *start);
    int code;
    if (!start) return thrd_nomem;
    start->function = function;
    start->argument = argument;
    code = pthread_create(thread, NULL, run, start);
    if (code) free(start);
    return result(code);
}

int thrd_join(thrd_t thread, int *value) {
    void *returned = NULL;
    int code = pthread_join(thread, &returned);
    if (code == 0 && value) *value = (int)(intptr_t)returned;
    return result(code);
}

int thrd_detach(thrd_t thread) { return result(pthread_detach(thread)); }
_Noreturn void thrd_exit(int value) { pthread_exit((void *)(intptr_t)value); }

int mtx_init(mtx_t *mutex, int type) {
    pthread_mutexattr_t attributes;
    int code = pthread_mutexattr_init(&attributes);
    if (code) return result(code);
    if (type & mtx_recursive) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    code = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return result(code);
}
void mtx_destroy(mtx_t *mutex) { pthread_mutex_destroy((pthread_mutex_t *)mutex); }
int mtx_lock(mtx_t *mutex) { return result(pthread_mutex_lock((pthread_mutex_t *)mutex)); }
int mtx_trylock(mtx_t *mutex) { return result(pthread_mutex_trylock((pthread_mutex_t *)mutex)); }
int mtx_timedlock(mtx_t *restrict mutex, const struct timespec *restrict until) {
    return result(pthread_mutex_timedlock((pthread_mutex_t *)mutex, until));
}
int mtx_unlock(mtx_t *mutex) { return result(pthread_mutex_unlock((pthread_mutex_t *)mutex)); }

int cnd_init(cnd_t *condition) { return result(pthread_cond_init((pthread_cond_t *)condition, NULL)); }
void cnd_destroy(cnd_t *condition) { pthread_cond_destroy((pthread_cond_t *)condition); }
int cnd_signal(cnd_t *condition) { return result(pthread_cond_signal((pthread_cond_t *)condition)); }
int cnd_broadcast(cnd_t *condition) { return result(pthread_cond_broadcast((pthread_cond_t *)condition)); }
int cnd_wait(cnd_t *condition, mtx_t *mutex) {
    return result(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    return result(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}
