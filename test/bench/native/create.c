/*
 * create LIST DIRECTORY THREADS
 *
 * Makes the directories and files of LIST below DIRECTORY with nothing but mkdir, and open, write, futimens, close for each file: what
 * any program that restores the tree has to ask of the kernel. LIST has one entry a line: `d DEPTH PATH` in the order of depths, then
 * `f SIZE PATH`, the long ones first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 4 << 20, BATCH = 32 };

typedef struct {
  char *path;
  long number; /* depth of a directory, size of a file */
} Entry;

static Entry *directories, *files;
static long directory_count, file_count;
static atomic_long next_directory, next_file;
static long level_end;
static pthread_barrier_t barrier;
static const struct timespec times[2] = {{1700000000, 0}, {1700000000, 0}};

static void fail(const char *what) {
  fprintf(stderr, "create: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void read_list(const char *name) {
  FILE *list = fopen(name, "r");
  if (list == NULL) fail(name);
  char *line = NULL;
  size_t room = 0;
  long capacity = 1 << 20;
  directories = malloc(sizeof(Entry) * (size_t)capacity);
  files = malloc(sizeof(Entry) * (size_t)capacity);
  for (ssize_t length; (length = getline(&line, &room, list)) > 0;) {
    line[length - 1] = 0;
    char *end;
    long number = strtol(line + 2, &end, 10);
    Entry entry = {strdup(end + 1), number};
    if (directory_count == capacity || file_count == capacity) fail("too many entries");
    if (line[0] == 'd') directories[directory_count++] = entry;
    else files[file_count++] = entry;
  }
  fclose(list);
}

static void make_file(const Entry *entry, const char *buffer) {
  int file = open(entry->path, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (file < 0) fail(entry->path);
  for (long left = entry->number; left > 0;) {
    ssize_t written = write(file, buffer, left < BUFFER ? (size_t)left : BUFFER);
    if (written < 0) fail(entry->path);
    left -= written;
  }
  futimens(file, times);
  close(file);
}

static void *work(void *first) {
  char *buffer = malloc(BUFFER);
  memset(buffer, 'b', BUFFER);
  /* Level by level: a directory's parent has to be there. */
  for (long begin = 0; begin < directory_count;) {
    if (first != NULL) {
      level_end = begin;
      while (level_end < directory_count && directories[level_end].number == directories[begin].number) level_end++;
      next_directory = begin;
    }
    pthread_barrier_wait(&barrier);
    for (long at; (at = next_directory++) < level_end;)
      if (mkdir(directories[at].path, 0755) < 0) fail(directories[at].path);
    pthread_barrier_wait(&barrier);
    begin = level_end;
    pthread_barrier_wait(&barrier);
  }
  /* Long files one by one, then batches along the order of the paths, so that threads seldom meet in a directory. */
  for (;;) {
    long at = next_file;
    if (at >= file_count) break;
    long batch = files[at].number > BUFFER ? 1 : BATCH;
    at = atomic_fetch_add(&next_file, batch);
    for (long end = at + batch; at < end && at < file_count; at++) make_file(&files[at], buffer);
  }
  free(buffer);
  return NULL;
}

int main(int count, char **words) {
  if (count != 4) return fprintf(stderr, "create: LIST DIRECTORY THREADS\n"), 2;
  int threads = atoi(words[3]);
  read_list(words[1]);
  if (chdir(words[2]) < 0) fail(words[2]);
  umask(0);
  pthread_barrier_init(&barrier, NULL, (unsigned)threads);
  pthread_t ids[64];
  for (int i = 1; i < threads && i < 64; i++) pthread_create(&ids[i], NULL, work, NULL);
  work(words);
  for (int i = 1; i < threads && i < 64; i++) pthread_join(ids[i], NULL);
  return 0;
}
