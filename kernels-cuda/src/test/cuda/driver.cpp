// A stand-in for the CUDA driver's library: devices whose memory is the host's, and whose work is
// done at once, the first without and the second with tensor cores for F32, the third of compute
// capability 9.0. Kernels of the project run as C++, generated ones by ptx.cpp.
#include "launch.h"
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

namespace {

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_PTX = 218,
       NOT_FOUND = 500 };

const int DEVICES = 3;
const size_t MEMORY = (size_t)4 << 30;

// What texts begin with that went through the linker.
const char CUBIN[] = "cubin\n";

std::mutex turn;
std::map<void*, size_t> memory;
size_t used;
int contexts[DEVICES];

struct Module {
  std::string generated; // empty for the project's own
  std::string prefix; // of the names of the project's own
};

struct Loaded {
  Function function;
  bool freely;
};

struct Launch {
  std::function<void()> thread;
  Dim3 grid;
  unsigned threads;
  bool freely;
};

typedef std::vector<Launch> Graph;

Graph* recording;

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int cuInit(unsigned) {
  return SUCCESS;
}

int cuDriverGetVersion(int* version) {
  *version = 12080;
  return SUCCESS;
}

int cuDeviceGetCount(int* count) {
  *count = DEVICES;
  return SUCCESS;
}

int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return ordinal >= 0 && ordinal < DEVICES ? SUCCESS : NO_DEVICE;
}

int cuDeviceGetName(char* name, int length, int) {
  snprintf(name, (size_t)length, "stand-in");
  return SUCCESS;
}

int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = MEMORY;
  return SUCCESS;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  int capability = device == 0 ? 75 : device == 1 ? 80 : 90;
  switch (attribute) {
    case 16: *value = 4; break; // multiprocessors
    case 75: *value = capability / 10; break;
    case 76: *value = capability % 10; break;
    case 97: *value = (device == 0 ? 64 : 227) << 10; break; // shared memory of a block
    default: *value = 0;
  }
  return SUCCESS;
}

int cuDeviceCanAccessPeer(int* can, int, int) {
  *can = 1;
  return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
  *context = &contexts[device];
  return SUCCESS;
}

int cuCtxEnablePeerAccess(void*, unsigned) {
  return SUCCESS;
}

int cuCtxSetCurrent(void*) {
  return SUCCESS;
}

int cuStreamCreate(void** stream, unsigned) {
  *stream = &used;
  return SUCCESS;
}

int cuStreamSynchronize(void*) {
  return SUCCESS;
}

int cuEventCreate(void** event, unsigned) {
  *event = &used;
  return SUCCESS;
}

int cuEventRecord(void*, void*) {
  return SUCCESS;
}

int cuEventSynchronize(void*) {
  return SUCCESS;
}

int cuStreamWaitEvent(void*, void*, unsigned) {
  return SUCCESS;
}

int cuMemAlloc_v2(void** address, size_t bytes) {
  std::lock_guard<std::mutex> guard(turn);
  if (used + bytes > MEMORY) {
    return OUT_OF_MEMORY;
  }
  *address = aligned_alloc(256, (bytes + 255) / 256 * 256);
  memory[*address] = bytes;
  used += bytes;
  return SUCCESS;
}

int cuMemFree_v2(void* address) {
  std::lock_guard<std::mutex> guard(turn);
  auto found = memory.find(address);
  if (found == memory.end()) {
    return INVALID_VALUE;
  }
  used -= found->second;
  memory.erase(found);
  free(address);
  return SUCCESS;
}

int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  *address = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  return SUCCESS;
}

int cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t bytes, void*) {
  memcpy(to, from, bytes);
  return SUCCESS;
}

int cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t bytes, void*) {
  memcpy(to, from, bytes);
  return SUCCESS;
}

int cuMemcpyPeerAsync(
    void* to, void* to_context, const void* from, void* from_context, size_t bytes, void*) {
  if (to_context == from_context) {
    return INVALID_VALUE;
  }
  memcpy(to, from, bytes);
  return SUCCESS;
}

int cuLinkCreate_v2(unsigned, int*, void**, std::string** state) {
  *state = new std::string();
  return SUCCESS;
}

int cuLinkAddData_v2(
    std::string* state, int, const char* text, size_t bytes, const char*, unsigned, int*, void**) {
  if (strstr(text, "not to be linked")) {
    return INVALID_PTX;
  }
  *state = CUBIN;
  state->append(text, bytes); // with the zero at its end
  return SUCCESS;
}

int cuLinkComplete(std::string* state, void** cubin, size_t* bytes) {
  *cubin = &(*state)[0];
  *bytes = state->size();
  return SUCCESS;
}

int cuLinkDestroy(std::string* state) {
  delete state;
  return SUCCESS;
}

int cuModuleLoadDataEx(Module** module, const char* image, unsigned, int*, void**) {
  if (strncmp(image, CUBIN, strlen(CUBIN)) == 0) {
    image += strlen(CUBIN);
  }
  bool own = strncmp(image, "// sources", 10) == 0;
  bool ampere = strstr(image, ".target sm_80");
  bool hopper = strstr(image, ".target sm_90a");
  *module = new Module{own ? "" : image, ampere ? "ampere_" : hopper ? "hopper_" : ""};
  return SUCCESS;
}

int cuModuleGetFunction(Loaded** function, Module* module, const char* name) {
  Function found =
      module->generated.empty() ? find_kernel(module->prefix + name) : translate_ptx(module->generated);
  if (!found) {
    return NOT_FOUND;
  }
  *function = new Loaded{found, module->prefix == "hopper_"};
  return SUCCESS;
}

int cuFuncSetAttribute(Loaded*, int, int) {
  return SUCCESS;
}

int cuLaunchKernel(
    Loaded* function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned,
    unsigned, void*, void** parameters, void**) {
  std::lock_guard<std::mutex> guard(turn);
  if (x == 0 || y == 0 || z == 0 || threads == 0 || threads > 1024 || y > 65535 || z > 65535) {
    return INVALID_VALUE;
  }
  Launch launch{function->function(parameters), Dim3{x, y, z}, threads, function->freely};
  if (recording) {
    recording->push_back(launch);
  } else {
    run_grid(launch.thread, launch.grid, launch.threads, launch.freely);
  }
  return SUCCESS;
}

int cuTensorMapEncodeTiled(
    TileLayout* map, int, unsigned rank, unsigned long long address, const unsigned long long* dims,
    const unsigned long long* strides, const unsigned* box, const unsigned*, int, int, int, int) {
  if (rank != 4 || address % 16 != 0 || 2 * box[0] != 128 || box[1] > 256) {
    return INVALID_VALUE;
  }
  *map = {address, {}, {}, {box[0], box[1]}};
  for (int i = 0; i < 4; i++) {
    map->dims[i] = dims[i];
    if (dims[i] == 0 || (i > 0 && (strides[i - 1] == 0 || strides[i - 1] % 16 != 0))) {
      return INVALID_VALUE;
    }
    if (i > 0) {
      map->strides[i - 1] = strides[i - 1];
    }
  }
  return SUCCESS;
}
int cuStreamBeginCapture_v2(void*, int) {
  recording = new Graph();
  return SUCCESS;
}

int cuStreamEndCapture(void*, Graph** graph) {
  *graph = recording;
  recording = nullptr;
  return SUCCESS;
}

int cuGraphInstantiateWithFlags(Graph** executable, Graph* graph, unsigned long long) {
  *executable = new Graph(*graph);
  return SUCCESS;
}

int cuGraphDestroy(Graph* graph) {
  delete graph;
  return SUCCESS;
}

int cuGraphExecDestroy(Graph* executable) {
  delete executable;
  return SUCCESS;
}

int cuGraphLaunch(Graph* executable, void*) {
  std::lock_guard<std::mutex> guard(turn);
  for (const Launch& launch : *executable) {
    run_grid(launch.thread, launch.grid, launch.threads, launch.freely);
  }
  return SUCCESS;
}

int cuGetErrorString(int, const char** text) {
  *text = "an error of the stand-in";
  return SUCCESS;
}

int cuGetErrorName(int, const char** text) {
  *text = "ERROR";
  return SUCCESS;
}

}  // extern "C"
