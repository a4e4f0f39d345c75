// Functions that the stub driver can launch.
#pragma once
#include "hopper.h"
#include <functional>
#include <string>
#include <tuple>
#include <utility>

// freely: each thread goes on by itself, as those of *_hopper.cu do; else warps are in step.
void run_grid(const std::function<void()>& function, Dim3 grid, unsigned threads, bool freely);

// Takes copies of the parameters, which the driver gets by their addresses, and makes what one
// thread does.
typedef std::function<std::function<void()>(void**)> Function;

// The kernel of the project's sources with this name; those of *_ampere.cu and *_hopper.cu have that before it.
Function find_kernel(const std::string& name);

// A function of a module of generated PTX.
Function translate_ptx(const std::string& text);

template <typename... P, size_t... I>
std::function<void()> bound(void (*kernel)(P...), void** parameters, std::index_sequence<I...>) {
  std::tuple<typename std::decay<P>::type...> copies{*(typename std::decay<P>::type*)parameters[I]...};
  return [kernel, copies] { std::apply(kernel, copies); };
}

template <typename... P>
Function function_of(void (*kernel)(P...)) {
  return [kernel](void** parameters) {
    return bound(kernel, parameters, std::index_sequence_for<P...>());
  };
}
