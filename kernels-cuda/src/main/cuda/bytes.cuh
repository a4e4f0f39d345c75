// Products of matrices of bytes less their zero points, by tiles. Unsigned bytes and their zero points
// are made signed as they come, which changes no difference. With these
//   (a - za) (b - zb) = a b - za sum(b) - zb (sum(a) - k za)
// modulo 2^32, where the sums are those of a column of b and a row of a.
#pragma once
#include "matmul.cuh"

typedef unsigned char u8;

struct Zeros {
  i64 a_row, b_column; // elements between neighbours
  i64 a_flip, b_flip;  // 0x80 for unsigned bytes: what makes them signed, by exclusive or
  i64 floats;          // whether results are floats
};

namespace bytes {

const int THREADS = 128;

// 16 bytes in one access.
struct alignas(16) Quad {
  u32 words[4];
};

__device__ inline u32 four(i64 byte) {
  return (u32)byte * 0x01010101;
}

__device__ inline u32 zero_point(u8 byte, i64 flip) {
  return (u32)(int)(signed char)(byte ^ (u8)flip);
}

// sum + the products of the signed bytes of a and b.
__device__ inline u32 add_products(u32 a, u32 b, u32 sum) {
  return (u32)__dp4a((int)a, (int)b, (int)sum);
}

__device__ inline u32 add_bytes(u32 a, u32 sum) {
  return add_products(a, 0x01010101, sum);
}

// Of four rows of four bytes the columns.
__device__ inline void transpose(u32 (&columns)[4], u32 a, u32 b, u32 c, u32 d) {
  u32 low = __byte_perm(a, b, 0x5140);
  u32 low_too = __byte_perm(c, d, 0x5140);
  u32 high = __byte_perm(a, b, 0x7362);
  u32 high_too = __byte_perm(c, d, 0x7362);
  columns[0] = __byte_perm(low, low_too, 0x5410);
  columns[1] = __byte_perm(low, low_too, 0x7632);
  columns[2] = __byte_perm(high, high_too, 0x5410);
  columns[3] = __byte_perm(high, high_too, 0x7632);
}

__device__ inline u32 result(u32 sum, i64 floats) {
  return floats ? (u32)__float_as_int((float)(int)sum) : sum;
}

// Where TILE lines, which are rows of a or columns of b, lie in shared memory: slabs of 64 steps of
// the sum, of each line four chunks of 16 bytes, permuted so that those of eight lines from a multiple
// of 8 on, or of every other line, lie in different banks.
template <int TILE>
struct Slabs {
  static const int DEPTH = 8192 / TILE;
  static const int CHUNKS = DEPTH / 16; // of a line, in all slabs
  static const int WORDS = 2048;

  // The word a chunk begins with.
  __device__ static int at(int line, int chunk) {
    return (chunk / 4 * TILE + line) * 16 + (chunk % 4 ^ (line / 2 ^ line / 8) % 4) * 4;
  }
};

// One operand of a tile. Every thread moves four chunks, first to registers, then to shared memory:
// where the steps are neighbours, those of four lines; else those of four lines that are neighbours,
// and the words it holds have one step of them all. WIDE: neighbours can be loaded 16 or four at a
// time, and are there or not together.
template <int TILE, bool WIDE>
struct Panel {
  typedef Slabs<TILE> To;
  static const int LINES = THREADS / To::CHUNKS; // between those of a thread

  const u8* at;      // this thread's next byte
  i64 apart;         // bytes between what it loads
  i64 next;          // bytes between its chunks of two tiles
  i64 neighbour;     // bytes between those that a word has
  int my_line, my_chunk;
  int lines_left, steps_left;
  bool along;        // whether steps are neighbours
  u32 flip;
  u32 held[4][4];
  u32 sums[4];       // of the lines' bytes

  __device__ Panel(
      const u8* operand, i64 line, i64 step, i64 first, i64 lines, i64 steps, i64 flip)
      : flip(four(flip)) {
    along = step == 1;
    my_line = along ? threadIdx.x / To::CHUNKS : threadIdx.x % (TILE / 4) * 4;
    my_chunk = along ? threadIdx.x % To::CHUNKS : threadIdx.x / (TILE / 4);
    at = operand + (first + my_line) * line + my_chunk * 16 * step;
    apart = along ? LINES * line : step;
    next = To::DEPTH * step;
    neighbour = along ? 1 : line;
    lines_left = (int)(lines - first) - my_line;
    steps_left = (int)steps - my_chunk * 16;
#pragma unroll
    for (int e = 0; e < 4; e++) {
      sums[e] = 0;
    }
  }

  // The line of the chunk of number e.
  __device__ int line_of(int e) const {
    return my_line + (along ? e * LINES : e);
  }

  // Four bytes, those beyond count such that they become 0.
  __device__ u32 fetch(const u8* from, int count) const {
    u32 word = flip;
    if (WIDE && count > 0) {
      word = *(const u32*)from;
    }
    if (!WIDE) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        if (i < count) {
          word ^= (u32)(*from ^ (u8)flip) << 8 * i;
          from += neighbour;
        }
      }
    }
    return word;
  }

  // Loads the next chunks.
  __device__ void load() {
    const u8* from = at;
    if (along) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        int left = lines_left > e * LINES ? steps_left : 0;
        Quad quad = {flip, flip, flip, flip};
        if (WIDE && left > 0) {
          quad = *(const Quad*)from;
        }
#pragma unroll
        for (int w = 0; w < 4; w++) {
          held[e][w] = WIDE ? quad.words[w] : fetch(from + 4 * w, left - 4 * w);
        }
        from += apart;
      }
    } else {
#pragma unroll
      for (int s = 0; s < 16; s++) {
        held[s / 4][s % 4] = fetch(from, steps_left > s ? lines_left : 0);
        from += apart;
      }
    }
    at += next;
    steps_left -= To::DEPTH;
  }

  // Stores what was loaded, and sums it up if wanted.
  __device__ void store(u32* slabs, bool sum) {
    if (!along) {
      u32 turned[4][4];
#pragma unroll
      for (int w = 0; w < 4; w++) {
        transpose(turned[w], held[w][0], held[w][1], held[w][2], held[w][3]);
      }
#pragma unroll
      for (int e = 0; e < 4; e++) {
#pragma unroll
        for (int w = 0; w < 4; w++) {
          held[e][w] = turned[w][e];
        }
      }
    }
    if (flip != 0) {
#pragma unroll
      for (int i = 0; i < 16; i++) {
        held[i / 4][i % 4] ^= flip;
      }
    }
#pragma unroll
    for (int e = 0; e < 4; e++) {
      Quad quad = {held[e][0], held[e][1], held[e][2], held[e][3]};
      *(Quad*)&slabs[To::at(line_of(e), my_chunk)] = quad;
    }
    if (sum) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
#pragma unroll
        for (int w = 0; w < 4; w++) {
          sums[e] = add_bytes(held[e][w], sums[e]);
        }
      }
    }
  }

  // Stores the sums of this thread's chunks.
  __device__ void store_sums(u32 (&all)[To::CHUNKS][TILE]) const {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      all[my_chunk][line_of(e)] = sums[e];
    }
  }
};

// What becomes of the sums of lines.
template <int TILE>
struct Lines {
  u32 chunks[Slabs<TILE>::CHUNKS][TILE];
  u32 sums[TILE];
  u32 zeros[TILE];

  // Sums up the chunks of all lines, and takes so many zero points from the sum.
  __device__ void finish(const u8* from, i64 stride, i64 flip, i64 first, i64 lines, u32 count) {
    for (int line = threadIdx.x; line < TILE; line += THREADS) {
      u32 zero = first + line < lines ? zero_point(from[(first + line) * stride], flip) : 0;
      u32 sum = 0;
#pragma unroll
      for (int chunk = 0; chunk < Slabs<TILE>::CHUNKS; chunk++) {
        sum += chunks[chunk][line];
      }
      sums[line] = sum - count * zero;
      zeros[line] = zero;
    }
  }
};

// A quarter of a tile by a warp. With g = lane / 4 and t = lane % 4 a thread has rows g, g + 8 and so
// on, and columns 2 t, 2 t + 1, 2 t + 8 and so on.
template <int TILE>
struct Sums {
  static const int ROWS = TILE / 16;
  static const int PAIRS = TILE / 16; // of columns

  u32 sums[ROWS / 2][PAIRS][4];

  __device__ u32& at(int i, int j) {
    return sums[i / 2][j / 2][i % 2 * 2 + j % 2];
  }
};

// Adds the products of slabs of a and b, of which the warp's lines begin with row and column.
template <int TILE>
__device__ inline void add_tile(Sums<TILE>& sums, const u32* a, const u32* b, int row, int column);

template <int TILE, bool WIDE>
__device__ inline void product(
    u32* c_all, const u8* a_all, const u8* a_zeros, const u8* b_all, const u8* b_zeros,
    const Matrices& shape, const Zeros& zeros, const Walk& batch) {
  typedef Slabs<TILE> To;
  alignas(16) __shared__ u32 slabs[2][2][To::WORDS];
  __shared__ Lines<TILE> lines_a, lines_b;
  i64 depth = blockIdx.z % (u32)shape.parts * shape.part_k;
  i64 k = shape.k - depth < shape.part_k ? shape.k - depth : shape.part_k;
  i64 starts[4];
  locate(batch, blockIdx.z / (u32)shape.parts, starts);
  a_zeros += starts[2];
  b_zeros += starts[3];
  i64 top = (i64)blockIdx.y * TILE;
  i64 left = (i64)blockIdx.x * TILE;
  Panel<TILE, WIDE> a(
      a_all + starts[0] + depth * shape.a_column, shape.a_row, shape.a_column, top, shape.m, k,
      zeros.a_flip);
  Panel<TILE, WIDE> b(
      b_all + starts[1] + depth * shape.b_row, shape.b_column, shape.b_row, left, shape.n, k,
      zeros.b_flip);
  bool sum_a = zeros.b_column != 0 || zero_point(*b_zeros, zeros.b_flip) != 0;
  bool sum_b = zeros.a_row != 0 || zero_point(*a_zeros, zeros.a_flip) != 0;

  int warp = threadIdx.x / 32;
  int row = warp / 2 * (TILE / 2);
  int column = warp % 2 * (TILE / 2);
  Sums<TILE> sums;
#pragma unroll
  for (int i = 0; i < sums.ROWS; i++) {
#pragma unroll
    for (int j = 0; j < 2 * sums.PAIRS; j++) {
      sums.at(i, j) = 0;
    }
  }
  a.load();
  b.load();
  a.store(slabs[0][0], sum_a);
  b.store(slabs[0][1], sum_b);
  __syncthreads();
  int now = 0;
  for (int tiles = (int)((k + To::DEPTH - 1) / To::DEPTH); tiles > 0; tiles--) {
    bool more = tiles > 1;
    if (more) {
      a.load();
      b.load();
    }
    add_tile<TILE>(sums, slabs[now][0], slabs[now][1], row, column);
    if (more) {
      a.store(slabs[1 - now][0], sum_a);
      b.store(slabs[1 - now][1], sum_b);
      __syncthreads();
      now = 1 - now;
    }
  }
  a.store_sums(lines_a.chunks);
  b.store_sums(lines_b.chunks);
  __syncthreads();
  lines_a.finish(a_zeros, zeros.a_row, zeros.a_flip, top, shape.m, 0);
  lines_b.finish(b_zeros, zeros.b_column, zeros.b_flip, left, shape.n, (u32)k);
  __syncthreads();

  row += threadIdx.x % 32 / 4;
  column += threadIdx.x % 4 * 2;
  u32* c = c_all + blockIdx.z * shape.m * shape.n;
  bool pairs = shape.n % 2 == 0 && (u64)c % 8 == 0;
#pragma unroll
  for (int i = 0; i < sums.ROWS; i++) {
    int line = row + 8 * i;
    u32 sum_of_a = lines_a.sums[line];
    u32 zero_a = lines_a.zeros[line];
    u32* to = c + (top + line) * shape.n + left + column;
    i64 end = top + line < shape.m ? shape.n - left - column : 0;
#pragma unroll
    for (int j = 0; j < 2 * sums.PAIRS; j += 2) {
      u32 values[2];
#pragma unroll
      for (int e = 0; e < 2; e++) {
        int at = column + 4 * j + e;
        u32 sum = sums.at(i, j + e) - zero_a * lines_b.sums[at] - lines_b.zeros[at] * sum_of_a;
        values[e] = result(sum, zeros.floats);
      }
      if (pairs && 4 * j < end) {
        *(u64*)(to + 4 * j) = (u64)values[1] << 32 | values[0];
      } else {
#pragma unroll
        for (int e = 0; e < 2; e++) {
          if (4 * j + e < end) {
            to[4 * j + e] = values[e];
          }
        }
      }
    }
  }
}

}  // namespace bytes

#define BYTES_KERNEL(NAME, BLOCKS, TILE, WIDE)                                                     \
  KERNEL __launch_bounds__(bytes::THREADS, BLOCKS) NAME(                                           \
      u32* c, const u8* a, const u8* a_zeros, const u8* b, const u8* b_zeros, Matrices shape,      \
      Zeros zeros, Walk batch) {                                                                   \
    bytes::product<TILE, WIDE>(c, a, a_zeros, b, b_zeros, shape, zeros, batch);                    \
  }

#define BYTES_KERNELS                                                                              \
  BYTES_KERNEL(matmul_128_bytes, 2, 128, true)                                                     \
  BYTES_KERNEL(matmul_64_bytes, 3, 64, true)                                                       \
  BYTES_KERNEL(matmul_any_bytes, 2, 64, false)
