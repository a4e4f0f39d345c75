// Runs the threads of blocks one after another, see host.h.
#include "host.h"
#include "launch.h"
#include <cstdio>
#include <cstdlib>
#include <vector>

Dim3 threadIdx, blockIdx, blockDim, gridDim;
char dynamic_shared[256 << 10];

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

struct Fiber {
  void* pointer; // into the stack
  std::vector<char> stack = std::vector<char>(STACK);
  Dim3 thread;
  bool done = false;
};

void* scheduler;
std::vector<Fiber*> fibers;
Fiber* running;
const std::function<void()>* body;
unsigned long long exchanged[1024];

unsigned number(Dim3 thread) {
  return thread.x;
}

void start() {
  for (;;) {
    (*body)();
    running->done = true;
    switch_stack(&running->pointer, scheduler);
  }
}

void resume(Fiber* fiber) {
  running = fiber;
  threadIdx = fiber->thread;
  switch_stack(&scheduler, fiber->pointer);
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

void run_block(unsigned threads) {
  std::vector<Fiber*> waiting;
  std::vector<Fiber*>& idle = fibers;
  for (unsigned t = 0; t < threads; t++) {
    Fiber* fiber = idle.empty() ? fresh() : idle.back();
    if (!idle.empty()) {
      idle.pop_back();
    }
    fiber->thread = {t, 0, 0};
    fiber->done = false;
    resume(fiber);
    (fiber->done ? idle : waiting).push_back(fiber);
  }
  while (!waiting.empty()) {
    if (waiting.size() != threads) {
      fprintf(stderr, "%zu of %u threads are at a barrier, the others have left\n", waiting.size(), threads);
      abort();
    }
    std::vector<Fiber*> next;
    for (Fiber* fiber : waiting) {
      resume(fiber);
      (fiber->done ? idle : next).push_back(fiber);
    }
    waiting = next;
  }
}

}  // namespace

void __syncthreads() {
  switch_stack(&running->pointer, scheduler);
}

// All threads of the block exchange at once: kernels call it from whole blocks only.
static unsigned long long exchange(unsigned long long value, unsigned other) {
  exchanged[number(threadIdx)] = value;
  __syncthreads();
  unsigned long long found = exchanged[other];
  __syncthreads();
  return found;
}

static float exchange(float value, unsigned other) {
  return __int_as_float((int)exchange((unsigned long long)(unsigned)__float_as_int(value), other));
}

unsigned long long __shfl_xor_sync(unsigned, unsigned long long value, int mask) {
  return exchange(value, number(threadIdx) ^ mask);
}

float __shfl_xor_sync(unsigned, float value, int mask) {
  return exchange(value, number(threadIdx) ^ mask);
}

float __shfl_sync(unsigned, float value, int lane) {
  return exchange(value, number(threadIdx) / 32 * 32 + lane);
}

float __shfl_up_sync(unsigned, float value, unsigned distance) {
  unsigned self = number(threadIdx);
  return exchange(value, self % 32 >= distance ? self - distance : self);
}

int __syncthreads_or(int condition) {
  exchanged[number(threadIdx)] = condition;
  __syncthreads();
  bool any = false;
  for (unsigned thread = 0; thread < blockDim.x; thread++) {
    any |= exchanged[thread] != 0;
  }
  __syncthreads();
  return any;
}

void run_grid(const std::function<void()>& function, Dim3 grid, unsigned threads) {
  body = &function;
  gridDim = grid;
  blockDim = {threads, 1, 1};
  for (unsigned z = 0; z < grid.z; z++) {
    for (unsigned y = 0; y < grid.y; y++) {
      for (unsigned x = 0; x < grid.x; x++) {
        blockIdx = {x, y, z};
        run_block(threads);
      }
    }
  }
}
