// What convolutions share: places in images, and what becomes of a tile's sums.
#pragma once
#include "quern.cuh"

struct alignas(16) Quad {
  float lane[4];
};

// The same number, which the compiler takes for another: it adds few parts to an address instead of
// all that the number is made of.
__device__ inline int again(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

// How an index runs over an image, outermost first: a channel or an image, rows, columns.
struct Places {
  i64 area, width; // of rows and columns
  i64 top, down; // the first row of the image, and rows between neighbours
  i64 left, right;
  i64 image, row; // elements of the image between neighbours
  i64 other, other_row, other_column; // elements of the other operand between neighbours
};

struct alignas(16) Place {
  int at; // in the image
  int y, x;
  int other; // negative for places that are none
};

struct Product {
  i64 m, n, k; // of one group
  i64 height, width; // of the image
  i64 a_first, a_row, a_group; // the other operand
  i64 b_group; // the image
  i64 c_first, c_row, c_group; // the result
  i64 part_length; // steps of one part of the sum
  i64 c_part; // elements between parts of the result
  i64 relu; // whether it makes negative results 0
};

// Added to any other place it lies outside of the image.
const int OUTSIDE = -(1 << 30);

__device__ inline Place place(const Places& places, u32 index) {
  u32 area = (u32)places.area;
  u32 width = (u32)places.width;
  u32 outer = index / area;
  u32 inner = index - outer * area;
  u32 row = inner / width;
  int column = (int)(inner - row * width);
  int y = (int)places.top + (int)row * (int)places.down;
  int x = (int)places.left + column * (int)places.right;
  int other = (int)outer * (int)places.other + (int)row * (int)places.other_row
      + column * (int)places.other_column;
  return {(int)outer * (int)places.image + y * (int)places.row + x, y, x, other};
}

__device__ inline Place place(const Places& places, int index, int end) {
  return index < end ? place(places, (u32)index) : Place{0, OUTSIDE, OUTSIDE, -1};
}

__device__ inline i64 part_end(const Product& shape, i64 first) {
  return first + shape.part_length < shape.k ? first + shape.part_length : shape.k;
}

__device__ inline float pixel(
    const float* image, const Product& shape, const Place& column, const Place& step) {
  bool inside = ((u32)(column.y + step.y) < (u32)shape.height)
      & ((u32)(column.x + step.x) < (u32)shape.width);
  return inside ? image[column.at + step.at] : 0.0f;
}

__device__ inline float finish(float x, i64 relu) {
  return relu && x <= 0 ? 0.0f : x;
}

// The sums of a thread: 4 rows and columns that follow each other, from row and column on in a tile
// at top, and as many TILE / PER quads further where there are 8.
template <int TILE_M, int TILE_N, int PER_M, int PER_N>
struct Sums {
  static const int APART_M = TILE_M / PER_M; // quads between those of a thread
  static const int APART_N = TILE_N / PER_N;

  float sums[PER_M][PER_N];
  int row, column; // quads

  __device__ int row_at(int i) const {
    return (row + i / 4 * APART_M) * 4 + i % 4;
  }

  // Starts with the bias, if any, in the first part of the sum.
  __device__ void start(const float* bias, int top, int m, bool is_first) {
#pragma unroll
    for (int i = 0; i < PER_M; i++) {
      int at = top + row_at(i);
      float start = bias && is_first && at < m ? bias[blockIdx.y * m + at] : 0.0f;
#pragma unroll
      for (int j = 0; j < PER_N; j++) {
        sums[i][j] = start;
      }
    }
  }

  // Adds the products of one step.
  __device__ void add(const Quad* a, const Quad* b) {
    Quad rows[PER_M / 4];
    Quad columns[PER_N / 4];
#pragma unroll
    for (int i = 0; i < PER_M / 4; i++) {
      rows[i] = a[row + i * APART_M];
    }
#pragma unroll
    for (int j = 0; j < PER_N / 4; j++) {
      columns[j] = b[column + j * APART_N];
    }
#pragma unroll
    for (int i = 0; i < PER_M; i++) {
#pragma unroll
      for (int j = 0; j < PER_N; j++) {
        sums[i][j] = fmaf(rows[i / 4].lane[i % 4], columns[j / 4].lane[j % 4], sums[i][j]);
      }
    }
  }

  // Stores at the places of columns in a row of the result.
  __device__ void store(float* c, const Product& shape, const Place* places, int top) {
    c += shape.c_first + blockIdx.y * shape.c_group + blockIdx.z * shape.c_part;
#pragma unroll
    for (int i = 0; i < PER_M; i++) {
#pragma unroll
      for (int j = 0; j < PER_N; j++) {
        sums[i][j] = finish(sums[i][j], shape.relu);
      }
    }
#pragma unroll
    for (int j = 0; j < PER_N; j += 4) {
      const Place* group = &places[(column + j / 4 * APART_N) * 4];
      int at[4];
#pragma unroll
      for (int l = 0; l < 4; l++) {
        at[l] = group[l].other;
      }
      bool dense = at[3] == at[0] + 3;
#pragma unroll
      for (int i = 0; i < PER_M; i++) {
        int to_row = top + row_at(i);
        float* to = c + to_row * shape.c_row;
        if (to_row < shape.m && dense && (u64)(to + at[0]) % 16 == 0) {
          *(Quad*)(to + at[0]) = {sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]};
        } else if (to_row < shape.m) {
#pragma unroll
          for (int l = 0; l < 4; l++) {
            if (at[l] >= 0) {
              to[at[l]] = sums[i][j + l];
            }
          }
        }
      }
    }
  }
};

// The kernels of one tile, of which BLOCKS fit on a multiprocessor.
#define CONVOLUTION(NAME, TILE_M, TILE_N, PER_M, PER_N, BLOCKS, A_ALONG_K, B_ALONG_K)             \
  KERNEL __launch_bounds__(TILE_M / PER_M * TILE_N / PER_N, BLOCKS) NAME(                         \
      float* c, const float* a, const float* b, const float* bias, Product shape, Places columns, \
      Places steps) {                                                                             \
    convolve<TILE_M, TILE_N, PER_M, PER_N, A_ALONG_K, B_ALONG_K>(                                 \
        c, a, b, bias, shape, columns, steps);                                                    \
  }

#define CONVOLUTIONS(NAME, A_ALONG_K, B_ALONG_K)                             \
  CONVOLUTION(NAME##_128x128_f32, 128, 128, 8, 8, 2, A_ALONG_K, B_ALONG_K)   \
  CONVOLUTION(NAME##_64x128_f32, 64, 128, 8, 8, 4, A_ALONG_K, B_ALONG_K)     \
  CONVOLUTION(NAME##_32x128_f32, 32, 128, 8, 4, 4, A_ALONG_K, B_ALONG_K)     \
  CONVOLUTION(NAME##_32x32_f32, 32, 32, 4, 4, 8, A_ALONG_K, B_ALONG_K)
