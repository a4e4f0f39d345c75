// Numbers from nothing but their position: Philox4x32-10, see Philox.java, and counts.

// The four words of the block with this counter.
static inline uint4 philox(u64 seed, u64 counter) {
  uint4 c = (uint4)((u32)counter, (u32)(counter >> 32), 0, 0);
  u32 k0 = (u32)seed;
  u32 k1 = (u32)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    u32 low0 = 0xd2511f53u * c.x;
    u32 low1 = 0xcd9e8d57u * c.z;
    u32 high0 = mul_hi(0xd2511f53u, c.x);
    u32 high1 = mul_hi(0xcd9e8d57u, c.z);
    c = (uint4)(high1 ^ c.y ^ k0, low1, high0 ^ c.w ^ k1, low0);
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return c;
}

static inline void store_up_to(global float *to, i64 at, i64 count, float4 values) {
  if (at + 4 <= count) {
    vstore4(values, 0, to + at);
    return;
  }
  float each[4] = {values.x, values.y, values.z, values.w};
  for (int k = 0; at + k < count; k++) {
    to[at + k] = each[k];
  }
}

// key: seed, first counter
kernel void random_uniform_f32(PASS(float, to), PASS(const i64, key), i64 count) {
  TAKE(float, to);
  TAKE(const i64, key);
  for (i64 block = THREAD_INDEX; 4 * block < count; block += get_global_size(0)) {
    uint4 words = philox((u64)key[0], (u64)(key[1] + block));
    store_up_to(to, 4 * block, count, convert_float4(words >> 8) * 0x1p-24f);
  }
}

#ifdef cl_khr_fp64

// Box and Muller 1958, in doubles: the floats are those of strict arithmetic but where that lies
// within some 2^-52 of the middle of two floats.
static inline float2 normals(u32 first, u32 second) {
  double radius = sqrt(-2 * log(((first >> 8) + 1) * 0x1p-24));
  double angle = 0x1.921fb54442d18p2 * ((second >> 8) * 0x1p-24);
  return (float2)((float)(radius * cos(angle)), (float)(radius * sin(angle)));
}

kernel void random_normal_f32(PASS(float, to), PASS(const i64, key), i64 count) {
  TAKE(float, to);
  TAKE(const i64, key);
  for (i64 block = THREAD_INDEX; 4 * block < count; block += get_global_size(0)) {
    uint4 words = philox((u64)key[0], (u64)(key[1] + block));
    float4 values = (float4)(normals(words.x, words.y), normals(words.z, words.w));
    store_up_to(to, 4 * block, count, values);
  }
}

#endif

#define IOTA(NAME, T) \
  kernel void iota_##NAME(PASS(T, to), i64 count) { \
    TAKE(T, to); \
    i64 index = THREAD_INDEX; \
    if (index < count) { \
      to[index] = (T)index; \
    } \
  }

IOTA(f32, float)
IOTA(i64, i64)
