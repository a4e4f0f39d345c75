// What becomes of the results of products of matrices.
#pragma once
#include "matmul.cuh"

// Of a result x: x + first, max(0, that), that + second, max(0, that), each as an op of its
// own would compute it. Addends have neighbouring columns, or one for all.
struct Finish {
  i64 relu[2];               // whether there are the maxima
  i64 rows[2], columns[2];   // elements between neighbours of the addends
};

class Finisher {
  const Finish& finish;
  const float* addends[2];   // of this matrix, null where there are none

 public:
  static const bool ANY = true;

  __device__ Finisher(
      const Finish& finish, const float* first, const float* second, const Walk& batch, u32 matrix)
      : finish(finish) {
    i64 at[4];
    locate(batch, matrix, at);
    addends[0] = first ? first + at[2] : first;
    addends[1] = second ? second + at[3] : second;
  }

  __device__ float one(float x, i64 row, i64 column) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      if (addends[i]) {
        x += addends[i][row * finish.rows[i] + column * finish.columns[i]];
      }
      x = finish.relu[i] && x <= 0 ? 0 : x;
    }
    return x;
  }

  // Four neighbours, of which those before column end are there.
  __device__ void quad(float* values, i64 row, i64 column, i64 end) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      if (addends[i]) {
        const float* from = addends[i] + row * finish.rows[i];
        float more[4];
        if (finish.columns[i]) {
          load_quad(more, from, column, end, are_aligned((u64)(from + column)));
        } else {
          more[0] = more[1] = more[2] = more[3] = *from;
        }
#pragma unroll
        for (int k = 0; k < 4; k++) {
          values[k] += more[k];
        }
      }
      if (finish.relu[i]) {
#pragma unroll
        for (int k = 0; k < 4; k++) {
          values[k] = values[k] <= 0 ? 0 : values[k];
        }
      }
    }
  }
};
