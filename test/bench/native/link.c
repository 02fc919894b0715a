/*
 * link NAMESPACE RTT_MS MBIT
 *
 * Joins the network of the machine with that of NAMESPACE (made by `ip netns add`) by a link with a delay and a rate: the TUN device
 * berth0 here and berth1 there, each packet handed on when its time has come. Not tc: many kernels lack its netem, and this one works
 * wherever TUN does. Runs until it is ended; prints `ready` when both devices are there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 14, LARGEST = 66000 };

typedef struct {
  double due;
  ssize_t size;
  char *bytes;
} Packet;

typedef struct {
  int from, to;
  Packet queue[ROOM];
  uint32_t head, tail;
  pthread_mutex_t lock;
  pthread_cond_t filled;
} Direction;

static double delay, bytes_per_second;
static Direction there, back;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what) {
  fprintf(stderr, "link: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_device(const char *name) {
  int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (device < 0) fail("/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(device, TUNSETIFF, &request) < 0) fail(name);
  /* Segments of 64 KiB pass in one piece, which makes the link cost little of the processors it shares with what is measured. */
  if (ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) fail("offload");
  return device;
}

static void wait_until(double due) {
  struct timespec t = {(time_t)due, (long)((due - (double)(time_t)due) * 1e9)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* A packet leaves when those before it are through the link, and arrives a delay later. None is lost: those to come wait in the device. */
static void *take(void *argument) {
  Direction *direction = argument;
  char *buffer = malloc(LARGEST);
  for (double free_at = 0;;) {
    ssize_t size = read(direction->from, buffer, LARGEST);
    if (size < 0) fail("read");
    double at = now(), starts = free_at > at ? free_at : at;
    free_at = starts + (double)size / bytes_per_second;
    Packet packet = {free_at + delay, size, malloc((size_t)size)};
    memcpy(packet.bytes, buffer, (size_t)size);
    pthread_mutex_lock(&direction->lock);
    if (direction->head - direction->tail < ROOM) direction->queue[direction->head++ % ROOM] = packet;
    else free(packet.bytes);
    pthread_cond_signal(&direction->filled);
    pthread_mutex_unlock(&direction->lock);
    if (free_at - at > 0.001) wait_until(free_at - 0.001);
  }
  return NULL;
}

static void *give(void *argument) {
  Direction *direction = argument;
  for (;;) {
    pthread_mutex_lock(&direction->lock);
    while (direction->head == direction->tail) pthread_cond_wait(&direction->filled, &direction->lock);
    Packet packet = direction->queue[direction->tail++ % ROOM];
    pthread_mutex_unlock(&direction->lock);
    wait_until(packet.due);
    if (write(direction->to, packet.bytes, (size_t)packet.size) < 0 && errno != EIO && errno != EINVAL) fail("write");
    free(packet.bytes);
  }
  return NULL;
}

static void join(Direction *direction, int from, int to) {
  pthread_t thread;
  direction->from = from;
  direction->to = to;
  pthread_mutex_init(&direction->lock, NULL);
  pthread_cond_init(&direction->filled, NULL);
  pthread_create(&thread, NULL, take, direction);
  pthread_create(&thread, NULL, give, direction);
}

int main(int count, char **words) {
  if (count != 4) return fprintf(stderr, "link: NAMESPACE RTT_MS MBIT\n"), 2;
  delay = atof(words[2]) / 2000;
  bytes_per_second = atof(words[3]) * 125000;
  /* A wire does not wait for a processor; where this is not allowed, it does. */
  sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", words[1]);
  int here = open_device("berth0");
  int space = open(path, O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNET) < 0) fail(path);
  int inside = open_device("berth1");
  join(&there, here, inside);
  join(&back, inside, here);
  puts("ready");
  fflush(stdout);
  for (;;) pause();
}
