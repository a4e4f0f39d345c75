// Functions that the stub driver can launch.
#pragma once
#include "host.h"
#include <functional>
#include <string>
#include <tuple>
#include <utility>

void run_grid(const std::function<void()>& function, Dim3 grid, unsigned threads);

// A function that takes its parameters as the driver does, by their addresses.
typedef std::function<void(void**)> Function;

// The kernel of the project's sources with this name.
Function find_kernel(const std::string& name);

// A function of a module of generated PTX.
Function translate_ptx(const std::string& text);

template <typename... P, size_t... I>
void call(void (*kernel)(P...), void** parameters, std::index_sequence<I...>) {
  kernel(*(typename std::remove_reference<P>::type*)parameters[I]...);
}

template <typename... P>
Function function_of(void (*kernel)(P...)) {
  return [kernel](void** parameters) {
    call(kernel, parameters, std::index_sequence_for<P...>());
  };
}
