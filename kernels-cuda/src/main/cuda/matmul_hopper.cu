// Products of 16-bit floats on the tensor cores of compute capability 9.0, summed up in F32.
//
// A block stays for many tiles of 128 x 256. One thread copies panels of 64 steps of the sum into a
// ring in shared memory, two groups of four warps each multiply 64 rows of them. Two blocks work on
// tiles below each other and share the panels of b: each copies one half of them to both.
#include "hopper.cuh"

struct Tiles {
  i64 m, n, k;
  i64 batch;
  i64 a_moves, b_moves; // whether each matrix of the batch has its own a and b
};

const int ROWS = 128;
const int COLUMNS = 256;
const int DEPTH = 64;
const int STAGES = 4;
const int GROUP = 8 * 1024;            // bytes of 64 rows of 64 elements
const int A_BYTES = 2 * GROUP;
const int B_BYTES = 4 * GROUP;
const int BLOCKS = 2;                  // of a cluster
const int BAND = 16 / BLOCKS;          // clusters below each other that are near in time, for the cache

struct Tile {
  int row, column, matrix;
};

// The upper tile of a cluster.
__device__ inline Tile tile_at(i64 index, i64 rows, i64 columns) {
  i64 matrix = index / (rows * columns);
  i64 rest = index % (rows * columns);
  i64 band = rest / (BAND * columns);
  i64 height = rows - band * BAND < BAND ? rows - band * BAND : BAND;
  i64 within = rest - band * BAND * columns;
  return {
      (int)((band * BAND + within % height) * BLOCKS * ROWS),
      (int)(within / height * COLUMNS),
      (int)matrix};
}

__device__ inline void copy_to_cluster(
    void* to, const TileMap* map, u64* barrier, int x, int y, int z) {
  if (BLOCKS == 1) {
    copy_tile(to, map, barrier, x, y, z);
  } else {
    copy_tile_to_all(to, map, barrier, x, y, z, (1 << BLOCKS) - 1);
  }
}

// ALONG: 0 where the sum runs along the rows of the operand in memory, 1 where it runs across.
template <int A_ALONG, int B_ALONG, bool BF16>
__device__ inline void product(
    const TileMap* c_map, const TileMap* a_map, const TileMap* b_map, const Tiles& shape) {
  char* ring = tiles_memory();
  char* results = ring + STAGES * (A_BYTES + B_BYTES); // two for each group of warps
  __shared__ u64 full[STAGES];
  __shared__ u64 empty[STAGES];
  if (threadIdx.x == 0) {
    for (int i = 0; i < STAGES; i++) {
      barrier_init(&full[i], 1);
      barrier_init(&empty[i], 2 * BLOCKS);
    }
    publish_barriers();
  }
  cluster_sync();
  u32 rank = cluster_rank();
  i64 rows = (shape.m + BLOCKS * ROWS - 1) / (BLOCKS * ROWS);
  i64 columns = (shape.n + COLUMNS - 1) / COLUMNS;
  i64 tiles = rows * columns * shape.batch;
  int steps = (int)((shape.k + DEPTH - 1) / DEPTH);
  int stage = 0;
  u32 phase = 0;

  if (threadIdx.x < 128) {
    registers_release<40>();
    if (threadIdx.x == 0) {
      for (i64 index = blockIdx.x / BLOCKS; index < tiles; index += gridDim.x / BLOCKS) {
        Tile tile = tile_at(index, rows, columns);
        tile.row += rank * ROWS;
        int a_matrix = shape.a_moves ? tile.matrix : 0;
        int b_matrix = shape.b_moves ? tile.matrix : 0;
        for (int step = 0; step < steps; step++) {
          barrier_wait(&empty[stage], phase ^ 1);
          barrier_expect(&full[stage], A_BYTES + B_BYTES);
          char* a = ring + stage * (A_BYTES + B_BYTES);
          char* b = a + A_BYTES;
          int depth = step * DEPTH;
          if (A_ALONG == 0) {
            copy_tile(a, a_map, &full[stage], depth, tile.row, a_matrix);
          } else {
            for (int i = 0; i < 2; i++) {
              copy_tile(a + i * GROUP, a_map, &full[stage], tile.row + 64 * i, depth, a_matrix);
            }
          }
          b += rank * B_BYTES / BLOCKS;
          int column = tile.column + (int)rank * COLUMNS / BLOCKS;
          if (B_ALONG == 0) {
            copy_to_cluster(b, b_map, &full[stage], depth, column, b_matrix);
          } else {
            for (int i = 0; i < COLUMNS / 64 / BLOCKS; i++) {
              copy_to_cluster(b + i * GROUP, b_map, &full[stage], column + 64 * i, depth, b_matrix);
            }
          }
          stage = stage + 1 == STAGES ? 0 : stage + 1;
          phase ^= stage == 0;
        }
      }
    }
    cluster_sync();
    return;
  }

  registers_acquire<232>();
  int group = threadIdx.x / 128 - 1;
  int thread = threadIdx.x % 128;
  float d[128];
  for (i64 index = blockIdx.x / BLOCKS; index < tiles; index += gridDim.x / BLOCKS) {
    Tile tile = tile_at(index, rows, columns);
    tile.row += rank * ROWS;
    int previous = -1;
    for (int step = 0; step < steps; step++) {
      barrier_wait(&full[stage], phase);
      char* a = ring + stage * (A_BYTES + B_BYTES) + group * GROUP;
      char* b = ring + stage * (A_BYTES + B_BYTES) + A_BYTES;
      products_begin();
#pragma unroll
      for (int i = 0; i < DEPTH / 16; i++) {
        u64 a_tile = tile_descriptor(a + (A_ALONG == 0 ? 32 * i : 2048 * i), GROUP, 1024);
        u64 b_tile = tile_descriptor(b + (B_ALONG == 0 ? 32 * i : 2048 * i), GROUP, 1024);
        if (BF16) {
          product_64_16_bf16<A_ALONG, B_ALONG>(d, a_tile, b_tile, step > 0 || i > 0);
        } else {
          product_64_16_f16<A_ALONG, B_ALONG>(d, a_tile, b_tile, step > 0 || i > 0);
        }
      }
      products_commit();
      products_wait<1>();
      if (previous >= 0 && thread < BLOCKS) {
        barrier_arrive_at(&empty[previous], thread);
      }
      previous = stage;
      stage = stage + 1 == STAGES ? 0 : stage + 1;
      phase ^= stage == 0;
    }
    products_wait<0>();
    if (thread < BLOCKS) {
      barrier_arrive_at(&empty[previous], thread);
    }

    // Rows of 128 bytes whose chunks of 16 are swizzled, as the copy expects them.
    int row = thread / 32 * 16 + thread % 32 / 4;
#pragma unroll
    for (int part = 0; part < COLUMNS / 64; part++) {
      char* result = results + (2 * group + part % 2) * GROUP;
      if (thread == 0) {
        stores_wait_read<1>();
      }
      group_sync(1 + group);
#pragma unroll
      for (int j = 0; j < 8; j++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          float x = d[32 * part + 4 * j + 2 * half];
          float y = d[32 * part + 4 * j + 2 * half + 1];
                    int at_row = row + 8 * half;
          *(u32*)(result + at_row * 128 + (j ^ at_row % 8) * 16 + thread % 4 * 4) = pair<BF16>(x, y);
        }
      }
      publish_shared();
      group_sync(1 + group);
      if (thread == 0) {
        store_tile(c_map, result, tile.column + 64 * part, tile.row + group * 64, tile.matrix);
      }
    }
  }
  if (thread == 0) {
    stores_wait_read<0>();
  }
  cluster_sync();
}

#define MATMUL(NAME, A_ALONG, B_ALONG, BF16)                                                      \
  KERNEL __cluster_dims__(BLOCKS, 1, 1) __launch_bounds__(384, 1) NAME(                            \
      const __grid_constant__ TileMap c,                                                           \
      const __grid_constant__ TileMap a,                                                           \
      const __grid_constant__ TileMap b,                                                           \
      Tiles shape) {                                                                               \
    product<A_ALONG, B_ALONG, BF16>(&c, &a, &b, shape);                                             \
  }

// The names say for a and b whether they are as they are (n) or transposed (t).
MATMUL(matmul_nn_bf16, 0, 1, true)
MATMUL(matmul_nt_bf16, 0, 0, true)
MATMUL(matmul_tn_bf16, 1, 1, true)
MATMUL(matmul_tt_bf16, 1, 0, true)
MATMUL(matmul_nn_f16, 0, 1, false)
MATMUL(matmul_nt_f16, 0, 0, false)
MATMUL(matmul_tn_f16, 1, 1, false)
MATMUL(matmul_tt_f16, 1, 0, false)
