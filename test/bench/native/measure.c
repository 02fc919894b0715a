/*
 * measure REPORT COMMAND… [ '|' COMMAND… ] [ '&' COMMAND… ]
 *
 * Runs pipelines beside each other and writes what they cost, as JSON, to REPORT: seconds on the clock, seconds of CPU with all
 * children, and the peak of the memory: the sum of each program's own. A small program, because a child that Node starts would count
 * Node's own memory as its peak (Linux keeps the maximum across exec).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static void fail(const char *what) {
  fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
  _exit(127);
}

static void start(char **command, int input, int output) {
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (input >= 0) dup2(input, 0);
  if (output >= 0) dup2(output, 1);
  execvp(command[0], command);
  fail(command[0]);
}

int main(int count, char **words) {
  if (count < 3) return fprintf(stderr, "measure: REPORT COMMAND…\n"), 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  double began = now();
  int input = -1, children = 0;
  for (int at = 2; at < count; at++) {
    int end = at;
    while (end < count && strcmp(words[end], "|") != 0 && strcmp(words[end], "&") != 0) end++;
    int is_piped = end < count && words[end][0] == '|', ends[2] = {-1, -1};
    words[end] = NULL;
    /* Close on exec, or a reader would wait for the end of a pipe that a neighbour holds open. */
    if (is_piped && pipe2(ends, O_CLOEXEC) < 0) fail("pipe");
    if (is_piped) fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    start(words + at, input, ends[1]);
    children++;
    if (input >= 0) close(input);
    if (ends[1] >= 0) close(ends[1]);
    input = ends[0];
    at = end;
  }
  double cpu = 0;
  long memory = 0;
  int failed = 0;
  for (int status; children > 0; children--) {
    struct rusage usage;
    if (wait4(-1, &status, 0, &usage) < 0) fail("wait");
    cpu += seconds(usage.ru_utime) + seconds(usage.ru_stime);
    memory += usage.ru_maxrss;
    /* Whoever reads an archive may stop at its end, before the padding. */
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) failed = 1;
  }
  FILE *report = fopen(words[1], "w");
  if (report == NULL) fail(words[1]);
  fprintf(report, "{\"wallSeconds\":%.6f,\"cpuSeconds\":%.6f,\"peakBytes\":%ld}\n", now() - began, cpu, memory * 1024);
  fclose(report);
  return failed;
}
