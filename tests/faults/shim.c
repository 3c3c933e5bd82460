/* Loaded into a process before its C library (LD_PRELOAD): makes the calls that change files below FAULT_DIR fail, tear,
 * dawdle or kill at a chosen moment, and records them so that a power cut can be played through afterwards.
 *
 *   FAULT_DIR     absolute path; only calls on what is below it (or on itself) count. Nothing happens without it
 *   FAULT_KIND    what happens to a struck call, see `enum kind`: kill killed torn eio enospc edquot short lie slow
 *   FAULT_AT      strikes the call of this number, from 1 on, counted over all threads. 0 or absent: none
 *   FAULT_STICKY  1: strikes every call from that number on
 *   FAULT_OPS     counts only these calls, as letters: w write, s sync, c create, t truncate, r rename, l link,
 *                 u unlink, m make or remove a directory. Absent: all
 *   FAULT_SWITCH  a file. While it exists and says `KIND OPS`, every call of OPS is struck by KIND, whatever its number
 *   FAULT_RECORD  a file to which every call is appended once it has succeeded, see `record`
 *   FAULT_COUNT   a file that holds, at any moment, the number of calls counted, as text
 *   FAULT_SLOW_MS how long a slow call takes longer; 1000 if absent
 *
 * Counting and recording happen under one lock, so the record is in the order in which the calls took effect.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum kind {
    NONE,
    KILL,   /* SIGKILL before the call takes effect */
    KILLED, /* SIGKILL right after it */
    TORN,   /* half of a write reaches the file, then SIGKILL; other calls as KILL */
    FAILS,  /* the call fails with `error` and has no effect */
    SHORT,  /* half of a write is done and reported, as the system may; other calls go through */
    LIE,    /* a sync answers without syncing: shows in the record alone */
    SLOW,   /* the call takes longer */
};

struct strike {
    enum kind kind;
    int error;
};

static char dir[PATH_MAX], switch_path[PATH_MAX], ops[32];
static size_t dir_length;
static struct strike planned;
static long at, counted;
static int is_sticky, record_fd = -1, count_fd = -1;
static long slow_ms = 1000;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static struct strike strike_named(const char *name) {
    static const struct { const char *name; struct strike strike; } known[] = {
        {"kill", {KILL, 0}},         {"killed", {KILLED, 0}},      {"torn", {TORN, 0}},
        {"eio", {FAILS, EIO}},       {"enospc", {FAILS, ENOSPC}},  {"edquot", {FAILS, EDQUOT}},
        {"short", {SHORT, 0}},       {"lie", {LIE, 0}},            {"slow", {SLOW, 0}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name)) return known[i].strike;
    dprintf(2, "shim: there is no kind %s\n", name);
    abort();
}

static int raw_open(const char *path, int flags) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

static void start(void) {
    const char *text = getenv("FAULT_DIR");
    if (!text) return;
    snprintf(dir, sizeof dir, "%s", text);
    dir_length = strlen(dir);
    if ((text = getenv("FAULT_KIND"))) planned = strike_named(text);
    if ((text = getenv("FAULT_AT"))) at = atol(text);
    if ((text = getenv("FAULT_STICKY"))) is_sticky = atoi(text);
    if ((text = getenv("FAULT_OPS"))) snprintf(ops, sizeof ops, "%s", text);
    if ((text = getenv("FAULT_SWITCH"))) snprintf(switch_path, sizeof switch_path, "%s", text);
    if ((text = getenv("FAULT_SLOW_MS"))) slow_ms = atol(text);
    if ((text = getenv("FAULT_RECORD"))) record_fd = raw_open(text, O_WRONLY | O_CREAT | O_APPEND);
    if ((text = getenv("FAULT_COUNT"))) count_fd = raw_open(text, O_WRONLY | O_CREAT | O_TRUNC);
}

/* The part of an absolute path below FAULT_DIR, "." for itself; NULL when it is elsewhere. */
static const char *below(const char *path) {
    pthread_once(&once, start);
    if (!dir_length || strncmp(path, dir, dir_length)) return NULL;
    if (!path[dir_length]) return ".";
    return path[dir_length] == '/' ? path + dir_length + 1 : NULL;
}

static const char *below_fd(int fd, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlink, link, buffer, PATH_MAX - 1);
    if (length <= 0) return NULL;
    buffer[length] = 0;
    return below(buffer);
}

static const char *below_at(int fd, const char *path, char *buffer) {
    if (path[0] == '/') {
        snprintf(buffer, PATH_MAX, "%s", path);
    } else {
        char link[64];
        if (fd == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = syscall(SYS_readlink, link, buffer, PATH_MAX - 1);
        if (length <= 0) return NULL;
        snprintf(buffer + length, PATH_MAX - length, "/%s", path);
    }
    return below(buffer);
}

/* What the switch file orders for calls of this letter. */
static struct strike switched(char op) {
    struct strike none = {NONE, 0};
    if (!switch_path[0]) return none;
    int fd = raw_open(switch_path, O_RDONLY);
    if (fd < 0) return none;
    char text[64] = {0}, kind[32] = {0}, letters[32] = {0};
    ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length <= 0 || sscanf(text, "%31s %31s", kind, letters) < 1) return none;
    return !letters[0] || strchr(letters, op) ? strike_named(kind) : none;
}

static void die(void) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) pause();
}

/* Counts a call under the lock, and says how it is struck. */
static struct strike strike_of(char op) {
    struct strike strike = switched(op);
    if (ops[0] && !strchr(ops, op)) return strike;
    counted++;
    if (count_fd >= 0) {
        char text[32];
        int length = snprintf(text, sizeof text, "%ld\n", counted);
        syscall(SYS_pwrite64, count_fd, text, length, 0);
    }
    if (at && (counted == at || (is_sticky && counted > at))) strike = planned;
    return strike;
}

/* Appends `OP<tab>PATH<tab>PATH2<tab>OFFSET<tab>LENGTH<newline>` and, of a write, LENGTH bytes. */
static void record(const char *op, const char *path, const char *path2, long offset, const void *data, size_t length) {
    if (record_fd < 0) return;
    char head[2 * PATH_MAX + 64];
    int size = snprintf(head, sizeof head, "%s\t%s\t%s\t%ld\t%zu\n", op, path, path2, offset, length);
    syscall(SYS_write, record_fd, head, size);
    for (size_t done = 0; data && done < length;) {
        ssize_t written = syscall(SYS_write, record_fd, (const char *)data + done, length - done);
        if (written <= 0) die();
        done += written;
    }
}

/* Runs CALL as the strike has it and records it; evaluates to its result. For calls that are done or not, never half. */
#define STRUCK(op, name, path, path2, offset, length, call)                                                            \
    ({                                                                                                                 \
        pthread_mutex_lock(&lock);                                                                                     \
        struct strike strike = strike_of(op);                                                                          \
        if (strike.kind == SLOW) {                                                                                     \
            pthread_mutex_unlock(&lock);                                                                               \
            dawdle();                                                                                                  \
            pthread_mutex_lock(&lock);                                                                                 \
        }                                                                                                              \
        if (strike.kind == KILL || strike.kind == TORN) die();                                                         \
        int result = -1;                                                                                               \
        if (strike.kind == FAILS) errno = strike.error;                                                                \
        else if (strike.kind == LIE && op == 's') result = 0;                                                          \
        else if ((result = (call)) >= 0) record(name, path, path2, offset, NULL, length);                              \
        if (strike.kind == KILLED) die();                                                                              \
        int kept = errno;                                                                                              \
        pthread_mutex_unlock(&lock);                                                                                   \
        errno = kept;                                                                                                  \
        result;                                                                                                        \
    })

static void dawdle(void) {
    struct timespec pause = {slow_ms / 1000, slow_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* A write at `offset`, or where the file stands when that is negative. */
static ssize_t write_at(int fd, const void *data, size_t length, off64_t offset) {
    char buffer[PATH_MAX];
    const char *path = below_fd(fd, buffer);
    if (!path) {
        if (offset < 0) return syscall(SYS_write, fd, data, length);
        return syscall(SYS_pwrite64, fd, data, length, offset);
    }
    pthread_mutex_lock(&lock);
    struct strike strike = strike_of('w');
    if (strike.kind == SLOW) {
        pthread_mutex_unlock(&lock);
        dawdle();
        pthread_mutex_lock(&lock);
    }
    if (strike.kind == KILL) die();
    ssize_t written = -1;
    if (strike.kind == FAILS) {
        errno = strike.error;
    } else {
        if ((strike.kind == TORN || strike.kind == SHORT) && length > 1) length /= 2;
        long place = offset;
        if (offset < 0) {
            struct stat facts;
            int flags = (int)syscall(SYS_fcntl, fd, F_GETFL, 0);
            place = flags & O_APPEND && !fstat(fd, &facts) ? facts.st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
            written = syscall(SYS_write, fd, data, length);
        } else {
            written = syscall(SYS_pwrite64, fd, data, length, offset);
        }
        if (written > 0) record("write", path, "", place, data, written);
        if (strike.kind == TORN || strike.kind == KILLED) die();
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return written;
}

ssize_t write(int fd, const void *data, size_t length) { return write_at(fd, data, length, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return write_at(fd, data, length, offset); }

static int sync_fd(int fd, long number) {
    char buffer[PATH_MAX];
    const char *path = below_fd(fd, buffer);
    if (!path) return (int)syscall(number, fd);
    return STRUCK('s', "sync", path, "", 0, 0, (int)syscall(number, fd));
}

int fsync(int fd) { return sync_fd(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_fd(fd, SYS_fdatasync); }

int ftruncate64(int fd, off64_t length) {
    char buffer[PATH_MAX];
    const char *path = below_fd(fd, buffer);
    if (!path) return (int)syscall(SYS_ftruncate, fd, length);
    return STRUCK('t', "truncate", path, "", length, 0, (int)syscall(SYS_ftruncate, fd, length));
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

/* Opens are counted and recorded where they make a file or empty one. */
static int open_at(int fd, const char *name, int flags, mode_t mode) {
    char buffer[PATH_MAX];
    const char *path = flags & (O_CREAT | O_TRUNC) ? below_at(fd, name, buffer) : NULL;
    struct stat facts;
    int is_new = path && flags & O_CREAT && fstatat(fd, name, &facts, AT_SYMLINK_NOFOLLOW);
    if (!is_new && !(path && flags & O_TRUNC)) return (int)syscall(SYS_openat, fd, name, flags, mode);
    return STRUCK('c', is_new ? "create" : "truncate", path, "", 0, 0, (int)syscall(SYS_openat, fd, name, flags, mode));
}

#define MODE_OF(flags)                                                                                                 \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                                             \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

int open(const char *name, int flags, ...) { MODE_OF(flags) return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE_OF(flags) return open_at(AT_FDCWD, name, flags, mode); }
int openat(int fd, const char *name, int flags, ...) { MODE_OF(flags) return open_at(fd, name, flags, mode); }
int openat64(int fd, const char *name, int flags, ...) { MODE_OF(flags) return open_at(fd, name, flags, mode); }

int rename(const char *from, const char *to) {
    char one[PATH_MAX], other[PATH_MAX];
    const char *path = below_at(AT_FDCWD, from, one), *path2 = below_at(AT_FDCWD, to, other);
    if (!path || !path2) return (int)syscall(SYS_rename, from, to);
    return STRUCK('r', "rename", path, path2, 0, 0, (int)syscall(SYS_rename, from, to));
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    char one[PATH_MAX], other[PATH_MAX];
    const char *path = below_at(from_fd, from, one), *path2 = below_at(to_fd, to, other);
    if (!path || !path2) return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
    return STRUCK('l', "link", path, path2, 0, 0, (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags));
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int fd, const char *name, int flags) {
    char buffer[PATH_MAX];
    const char *path = below_at(fd, name, buffer);
    if (!path) return (int)syscall(SYS_unlinkat, fd, name, flags);
    if (flags & AT_REMOVEDIR) return STRUCK('m', "rmdir", path, "", 0, 0, (int)syscall(SYS_unlinkat, fd, name, flags));
    return STRUCK('u', "unlink", path, "", 0, 0, (int)syscall(SYS_unlinkat, fd, name, flags));
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int fd, const char *name, mode_t mode) {
    char buffer[PATH_MAX];
    const char *path = below_at(fd, name, buffer);
    if (!path) return (int)syscall(SYS_mkdirat, fd, name, mode);
    return STRUCK('m', "mkdir", path, "", 0, 0, (int)syscall(SYS_mkdirat, fd, name, mode));
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }
