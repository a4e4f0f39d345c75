// What the kernels of convolutions share.
#pragma once
#include "quern.cuh"

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

__device__ inline bool is_inside(const Product& shape, const Place& column, const Place& step) {
  return ((u32)(column.y + step.y) < (u32)shape.height)
      & ((u32)(column.x + step.x) < (u32)shape.width);
}

__device__ inline float pixel(
    const float* image, const Product& shape, const Place& column, const Place& step) {
  return is_inside(shape, column, step) ? image[column.at + step.at] : 0.0f;
}

__device__ inline float finish(float x, i64 relu) {
  return relu && x <= 0 ? 0.0f : x;
}
