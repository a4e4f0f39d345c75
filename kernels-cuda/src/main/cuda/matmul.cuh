// What the kernels of products of matrices share.
#pragma once
#include "quads.cuh"

struct Matrices {
  i64 m, n, k;
  i64 a_row, a_column; // elements between neighbours
  i64 b_row, b_column;
  i64 parts, part_k;   // the sum in parts, whose results lie behind each other
};

// What one block computes: a part of the sum of one matrix of the batch.
template <typename E>
struct Part {
  E* c;
  const E* a;
  const E* b;
  i64 k;

  __device__ Part(
      E* c_all, const E* a_all, const E* b_all, const Matrices& shape, const Walk& batch, u32 index) {
    u32 matrix = index / (u32)shape.parts;
    i64 depth = index % (u32)shape.parts * shape.part_k;
    i64 at[2];
    locate(batch, matrix, at);
    a = a_all + at[0] + depth * shape.a_column;
    b = b_all + at[1] + depth * shape.b_row;
    c = c_all + index * shape.m * shape.n;
    k = shape.k - depth < shape.part_k ? shape.k - depth : shape.part_k;
  }
};

// What becomes of results of F32: nothing.
struct Unchanged {
  static const bool ANY = false;

  __device__ float one(float x, i64, i64) const { return x; }
  __device__ void quad(float*, i64, i64, i64) const {}
};
