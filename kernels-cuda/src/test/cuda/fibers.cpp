// Runs the threads of blocks one after another, see host.h.
#include "fibers.h"
#include "launch.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

Dim3 threadIdx, blockIdx, blockDim, gridDim;
alignas(1024) char dynamic_shared[256 << 10];

// Keeps the stack pointer of the caller in from, after the registers that calls preserve, and goes on
// where another caller left off. (The C library's way asks the kernel for signal masks each time.)
extern "C" void switch_stack(void** from, void* to);
asm(R"(
.text
switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

namespace {

const size_t STACK = 64 << 10;

enum State { AT_WARP, AT_BLOCK, DONE }; // why a thread does not go on

struct Copy {
  float* to;
  const float* from;
  int count;
  bool present;
  int group;
};

struct Fiber {
  void* pointer; // into the stack
  unsigned exchanges; // with its warp, and barriers of the block, where threads go on by themselves
  unsigned barriers;
  std::vector<char> stack = std::vector<char>(STACK);
  Dim3 thread;
  State state;
  int turn;
  std::vector<Copy> copies; // begun and not awaited, in order
  int groups = 0;           // of copies, that are complete
};

// What a lane gives to the others of its warp.
struct Given {
  unsigned words[6];
};

void* scheduler;
std::vector<Fiber*> fibers;
Fiber* running;
Fiber** next; // lane of the warp
Fiber** end;  // of its lanes
const std::function<void()>* body;
Given given[2][1024];
bool conditions[1024];

bool is_free;           // whether threads go on by themselves
unsigned exchanged[32]; // lanes of each warp that gave something
unsigned arrived;       // threads at barriers of the block

// Goes on with a thread, and keeps in from where this one or the scheduler stops.
void resume(void** from, Fiber* fiber) {
  running = fiber;
  threadIdx = fiber->thread;
  switch_stack(from, fiber->pointer);
}

// The next lane goes on, after the last one the scheduler.
void wait(State state) {
  running->state = state;
  if (next != end) {
    resume(&running->pointer, *next++);
  } else {
    switch_stack(&running->pointer, scheduler);
  }
}

void start() {
  for (;;) {
    (*body)();
    wait(DONE);
  }
}

Fiber* fresh() {
  Fiber* fiber = new Fiber();
  // As if start had been called, with registers of no meaning.
  void** top = (void**)((size_t)(fiber->stack.data() + STACK) / 16 * 16) - 8;
  top[6] = (void*)start;
  top[7] = nullptr;
  fiber->pointer = top;
  return fiber;
}

// Runs the threads of a warp until they wait for the block, or are done.
State run_warp(Fiber** lanes, unsigned count) {
  do {
    next = lanes + 1;
    end = lanes + count;
    resume(&scheduler, lanes[0]);
    for (unsigned i = 1; i < count; i++) {
      if (lanes[i]->state != lanes[0]->state) {
        fprintf(stderr, "lanes of a warp are at different barriers, or have left\n");
        abort();
      }
    }
  } while (lanes[0]->state == AT_WARP);
  return lanes[0]->state;
}

void run_block(unsigned threads) {
  while (fibers.size() < threads) {
    fibers.push_back(fresh());
  }
  for (unsigned t = 0; t < threads; t++) {
    fibers[t]->thread = {t, 0, 0};
    fibers[t]->turn = 0;
  }
  State state;
  do {
    state = run_warp(&fibers[0], std::min(threads, 32u));
    for (unsigned t = 32; t < threads; t += 32) {
      if (run_warp(&fibers[t], std::min(threads - t, 32u)) != state) {
        fprintf(stderr, "some warps are at a barrier, others have left\n");
        abort();
      }
    }
  } while (state != DONE);
}

// Goes round all threads until none is left, with what goes on beside them after each round.
void run_block_freely(unsigned threads) {
  while (fibers.size() < threads) {
    fibers.push_back(fresh());
  }
  arrived = 0;
  std::fill_n(exchanged, 32, 0);
  for (unsigned t = 0; t < threads; t++) {
    fibers[t]->thread = {t, 0, 0};
    fibers[t]->turn = 0;
    fibers[t]->state = AT_BLOCK;
    fibers[t]->exchanges = 0;
    fibers[t]->barriers = 0;
  }
  const int MOST_IDLE_ROUNDS = 1000;
  int idle = 0;
  for (bool more = true; more;) {
    more = false;
    unsigned long long before = progress;
    for (unsigned t = 0; t < threads; t++) {
      if (fibers[t]->state != DONE) {
        next = end = nullptr;
        resume(&scheduler, fibers[t]);
        more |= fibers[t]->state != DONE;
      }
    }
    copies_go_on();
    idle = progress == before ? idle + 1 : 0;
    if (more && idle > MOST_IDLE_ROUNDS) {
      fprintf(stderr, "the threads of a block wait for each other\n");
      abort();
    }
  }
  end_of_block();
}

// What the lanes of this warp give; stays until they give again twice.
const Given* exchange(const Given& mine) {
  running->turn ^= 1;
  Given* all = given[running->turn];
  all[threadIdx.x] = mine;
  if (is_free) {
    unsigned& lanes = exchanged[threadIdx.x / 32];
    lanes++;
    progress++;
    running->exchanges++;
    while (lanes < 32 * running->exchanges) {
      yield();
    }
  } else {
    wait(AT_WARP);
  }
  return all + threadIdx.x / 32 * 32;
}

double tf32(unsigned bits) {
  return __int_as_float((int)(bits & ~0x1fff));
}

float towards_zero(double x) {
  float nearest = (float)x;
  return isfinite(nearest) && fabs(nearest) > fabs(x) ? nextafterf(nearest, 0) : nearest;
}

}  // namespace

unsigned long long progress;

void yield() {
  wait(AT_BLOCK);
}

void give_lanes(const unsigned (&mine)[4], unsigned (&all)[4][4]) {
  const Given* lanes = exchange({mine[0], mine[1], mine[2], mine[3]});
  for (unsigned i = 0; i < 4; i++) {
    memcpy(all[i], lanes[threadIdx.x % 32 / 4 * 4 + i].words, 16);
  }
}

void __syncthreads() {
  if (!is_free) {
    wait(AT_BLOCK);
    return;
  }
  arrived++;
  progress++;
  running->barriers++;
  while (arrived < blockDim.x * running->barriers) {
    yield();
  }
}

void copy_async(float* to, const float* from, int count, bool present) {
  running->copies.push_back({to, from, count, present, running->groups});
  std::fill_n(to, count, NAN);
}

void commit_copies() {
  running->groups++;
}

void await_copies(int groups) {
  std::vector<Copy>& copies = running->copies;
  auto copy = copies.begin();
  for (; copy != copies.end() && copy->group < running->groups - groups; copy++) {
    for (int i = 0; i < copy->count; i++) {
      copy->to[i] = copy->present ? copy->from[i] : 0;
    }
  }
  copies.erase(copies.begin(), copy);
}

static unsigned long long of_lane(unsigned long long value, unsigned lane) {
  Given mine = {(unsigned)value, (unsigned)(value >> 32)};
  const Given& found = exchange(mine)[lane];
  return found.words[0] | (unsigned long long)found.words[1] << 32;
}

static float of_lane(float value, unsigned lane) {
  return __int_as_float((int)of_lane((unsigned long long)(unsigned)__float_as_int(value), lane));
}

unsigned long long __shfl_xor_sync(unsigned, unsigned long long value, int mask) {
  return of_lane(value, threadIdx.x % 32 ^ mask);
}

unsigned __shfl_xor_sync(unsigned, unsigned value, int mask) {
  return (unsigned)of_lane((unsigned long long)value, threadIdx.x % 32 ^ mask);
}

float __shfl_xor_sync(unsigned, float value, int mask) {
  return of_lane(value, threadIdx.x % 32 ^ mask);
}

float __shfl_sync(unsigned, float value, int lane) {
  return of_lane(value, lane);
}

float __shfl_up_sync(unsigned, float value, unsigned distance) {
  unsigned lane = threadIdx.x % 32;
  return of_lane(value, lane >= distance ? lane - distance : lane);
}

int __syncthreads_or(int condition) {
  conditions[threadIdx.x] = condition;
  __syncthreads();
  bool any = false;
  for (unsigned thread = 0; thread < blockDim.x; thread++) {
    any |= conditions[thread];
  }
  __syncthreads();
  return any;
}

// The product of a warp, which its first lane computes for all.
void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  static double sums[16][8];
  const Given* lanes = exchange({a[0], a[1], a[2], a[3], b[0], b[1]});
  unsigned lane = threadIdx.x % 32;
  if (lane == 0) {
    double right[8][8];
    for (unsigned of = 0; of < 32; of++) {
      right[of % 4][of / 4] = tf32(lanes[of].words[4]);
      right[of % 4 + 4][of / 4] = tf32(lanes[of].words[5]);
    }
    for (unsigned row = 0; row < 16; row++) {
      double sum[8] = {};
      for (unsigned k = 0; k < 8; k++) {
        double left = tf32(lanes[row % 8 * 4 + k % 4].words[row / 8 + k / 4 * 2]);
        for (unsigned column = 0; column < 8; column++) {
          sum[column] += left * right[k][column];
        }
      }
      memcpy(sums[row], sum, sizeof(sum));
    }
  }
  for (unsigned e = 0; e < 4; e++) {
    d[e] = towards_zero(d[e] + sums[lane / 4 + e / 2 * 8][lane % 4 * 2 + e % 2]);
  }
}

void mma_bytes(unsigned (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  const Given* lanes = exchange({a[0], a[1], a[2], a[3], b[0], b[1]});
  unsigned lane = threadIdx.x % 32;
  for (unsigned e = 0; e < 4; e++) {
    unsigned row = lane / 4 + e / 2 * 8;
    unsigned column = lane % 4 * 2 + e % 2;
    for (unsigned k = 0; k < 32; k += 4) {
      unsigned left = lanes[row % 8 * 4 + k / 4 % 4].words[row / 8 + k / 16 * 2];
      unsigned right = lanes[column * 4 + k / 4 % 4].words[4 + k / 16];
      d[e] = (unsigned)__dp4a((int)left, (int)right, (int)d[e]);
    }
  }
}

void load_chunks(unsigned (&words)[4], const unsigned* from) {
  Given chunk;
  memcpy(chunk.words, from, 16);
  const Given* lanes = exchange(chunk);
  unsigned lane = threadIdx.x % 32;
  for (unsigned i = 0; i < 4; i++) {
    words[i] = lanes[8 * i + lane / 4].words[lane % 4];
  }
}

void run_grid(const std::function<void()>& function, Dim3 grid, unsigned threads, bool freely) {
  is_free = freely;
  body = &function;
  gridDim = grid;
  blockDim = {threads, 1, 1};
  for (unsigned z = 0; z < grid.z; z++) {
    for (unsigned y = 0; y < grid.y; y++) {
      for (unsigned x = 0; x < grid.x; x++) {
        blockIdx = {x, y, z};
        freely ? run_block_freely(threads) : run_block(threads);
      }
    }
  }
}
