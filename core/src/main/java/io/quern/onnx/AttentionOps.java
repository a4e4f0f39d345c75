package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Attention;
import io.quern.op.Compare;
import io.quern.op.Op;
import org.jspecify.annotations.Nullable;

/** Attention and what goes with it: rotary embeddings, caches of keys and values. */
final class AttentionOps {
  private AttentionOps() {}

  static void addTo(OpTable table) {
    table.ops("Attention", 23, AttentionOps::attention);
    table.op("RotaryEmbedding", 23, AttentionOps::rotary);
    Moving.one(table, "TensorScatter", 24, AttentionOps::write);
  }

  /** [batch, sequence, heads * size] as [batch, heads, sequence, size]. */
  static Tensor split(Tensor x, long heads) {
    return x.rank() == 4
        ? x
        : x.reshape(x.dim(0), x.dim(1), heads, x.dim(2) / heads).transpose(1, 2);
  }

  /** Each head {@code times} times, one after the other. */
  static Tensor repeated(Tensor x, long times) {
    if (times == 1) {
      return x;
    }
    Shape each = Shape.of(x.dim(0), x.dim(1), times, x.dim(2), x.dim(3));
    return x.unsqueeze(2).expand(each).reshape(x.shape().with(1, x.dim(1) * times));
  }

  private static Tensor[] attention(Call call) {
    boolean flat = call.in(0).rank() == 3;
    Tensor q = split(call.in(0), flat ? call.integer("q_num_heads") : 0);
    Tensor k = split(call.in(1), flat ? call.integer("kv_num_heads") : 0);
    Tensor v = split(call.in(2), flat ? call.integer("kv_num_heads") : 0);
    long past = 0;
    if (call.has(4)) {
      past = call.in(4).dim(2);
      k = Tensor.concat(2, call.in(4), k);
      v = Tensor.concat(2, call.in(5), v);
    }
    double scale = call.number("scale", 1 / Math.sqrt((double) q.dim(-1)));
    Tensor bias = bias(call, q, k.dim(2), past);
    double cap = call.number("softcap", 0);
    DType precision =
        call.hasAttribute("softmax_precision")
            ? call.dtype(call.integer("softmax_precision"))
            : q.dtype();
    if (!call.wants(3)
        && cap == 0
        && precision == q.dtype()
        && v.dtype() == q.dtype()
        && k.dim(2) > 0) {
      Op op = new Attention(scale, false);
      Tensor y = bias == null ? Tensor.apply(op, q, k, v) : Tensor.apply(op, q, k, v, bias);
      return new Tensor[] {flat ? joined(y) : y, k, v};
    }
    long groups = q.dim(1) / k.dim(1);
    Tensor products =
        q.mul(Math.sqrt(scale)).matmul(repeated(k, groups).mul(Math.sqrt(scale)).transpose(2, 3));
    Tensor capped = cap == 0 ? products : products.mul(1 / cap).tanh().mul(cap);
    Tensor masked = bias == null ? capped : capped.add(bias);
    Tensor scores = masked.to(precision);
    Tensor weights = (bias == null ? scores.softmax(-1) : weights(scores)).to(q.dtype());
    DType wide = wider(q.dtype(), v.dtype());
    Tensor y = weights.to(wide).matmul(repeated(v.to(wide), groups)).to(q.dtype());
    Tensor shown =
        switch ((int) call.integer("qk_matmul_output_mode", 0)) {
          case 0 -> products;
          case 1 -> capped;
          case 2 -> masked;
          default -> weights;
        };
    return new Tensor[] {flat ? joined(y) : y, k, v, shown};
  }

  /** [batch, heads, sequence, size] as [batch, sequence, heads * size]. */
  static Tensor joined(Tensor y) {
    return y.transpose(1, 2).reshape(y.dim(0), y.dim(2), y.dim(1) * y.dim(3));
  }

  private static DType wider(DType x, DType y) {
    return x == y || x.bytes() > y.bytes() ? x : x.bytes() < y.bytes() ? y : DType.F32;
  }

  /** Softmax over the keys; a query that sees none has the weights 0. */
  private static Tensor weights(Tensor scores) {
    if (scores.dim(3) == 0) {
      return scores;
    }
    Tensor zero = ElementwiseOps.scalar(scores, 0);
    Tensor blind = scores.max(3).unsqueeze(3).compare(Compare.Fn.EQ, Double.NEGATIVE_INFINITY);
    return Tensor.where(blind, zero, Tensor.where(blind, zero, scores).softmax(3));
  }

  /**
   * What is added to the scores, in their dtype: negative infinity where nothing may be seen; null
   * when all is seen.
   */
  private static @Nullable Tensor bias(Call call, Tensor q, long keys, long past) {
    Tensor bias = null;
    if (call.has(3)) {
      Tensor mask = call.in(3);
      bias =
          mask.dtype() == DType.BOOL
              ? unless(mask, q, Double.NEGATIVE_INFINITY)
              : mask.to(q.dtype());
      if (bias.dim(-1) < keys) {
        long[] after = new long[bias.rank()];
        after[bias.rank() - 1] = keys - bias.dim(-1);
        bias = bias.pad(new long[bias.rank()], after, Double.NEGATIVE_INFINITY);
      }
    }
    Tensor visible = visible(call, q, keys, past);
    if (visible == null) {
      return bias;
    }
    Tensor hidden = unless(visible, q, Double.NEGATIVE_INFINITY);
    return bias == null ? hidden : bias.add(hidden);
  }

  /**
   * Which keys the queries see by their places alone, to broadcast to [batch, heads, queries,
   * keys]; null for all.
   */
  private static @Nullable Tensor visible(Call call, Tensor q, long keys, long past) {
    Tensor places = ShapeOps.indices(keys, 3, 4);
    Tensor lengths = call.has(6) ? call.in(6).to(DType.I64).reshape(q.dim(0), 1, 1, 1) : null;
    Tensor visible = lengths == null ? null : places.compare(Compare.Fn.LT, lengths);
    long before = window(call, "left_window_size");
    long after = call.flag("is_causal", false) ? 0 : window(call, "right_window_size");
    if (before < 0 && after < 0) {
      return visible;
    }
    // The place of query i is i + past, or, of queries that end an outer cache, i + length - count.
    Tensor ahead = places.sub(ShapeOps.indices(q.dim(2), 2, 4));
    double start = past;
    if (lengths != null && !call.has(4)) {
      ahead = ahead.sub(lengths);
      start = -q.dim(2);
    }
    if (after >= 0) {
      visible = both(visible, ahead.compare(Compare.Fn.LE, start + after));
    }
    return before < 0 ? visible : both(visible, ahead.compare(Compare.Fn.GE, start - before));
  }

  private static long window(Call call, String attribute) {
    long size = call.integer(attribute, -1);
    if (size < -1) {
      throw call.error("%s must be 0 or more, or -1 for all keys, found %d", attribute, size);
    }
    return Math.min(size, Integer.MAX_VALUE);
  }

  private static Tensor both(@Nullable Tensor condition, Tensor more) {
    return condition == null ? more : condition.minimum(more);
  }

  /** What is added to scores: 0 where something is visible, else another number. */
  static Tensor unless(Tensor visible, Tensor like, double otherwise) {
    return Tensor.where(
        visible, ElementwiseOps.scalar(like, 0), ElementwiseOps.scalar(like, otherwise));
  }

  /** Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021. */
  private static Tensor rotary(Call call) {
    boolean flat = call.in(0).rank() == 3;
    Tensor x = split(call.in(0), flat ? call.integer("num_heads") : 0);
    long size = x.dim(3);
    long given = call.integer("rotary_embedding_dim", 0);
    long turned = given == 0 ? size : given;
    Tensor result =
        rotated(
            x,
            turned,
            call.flag("interleaved", false),
            angles(call, 1, turned),
            angles(call, 2, turned));
    return flat ? result.transpose(1, 2).reshape(call.in(0).shape()) : result;
  }

  /** The first elements of each row turned by angles that broadcast. */
  static Tensor rotated(Tensor x, long turned, boolean interleaved, Tensor cos, Tensor sin) {
    long size = x.dim(3);
    Tensor part = x.slice(3, 0, turned);
    Tensor a = interleaved ? part.slice(3, 0, turned, 2) : part.slice(3, 0, turned / 2);
    Tensor b = interleaved ? part.slice(3, 1, turned, 2) : part.slice(3, turned / 2, turned);
    Tensor real = a.mul(cos).sub(b.mul(sin));
    Tensor imaginary = a.mul(sin).add(b.mul(cos));
    Tensor result =
        interleaved
            ? Tensor.concat(4, real.unsqueeze(4), imaginary.unsqueeze(4)).reshape(part.shape())
            : Tensor.concat(3, real, imaginary);
    return turned < size ? Tensor.concat(3, result, x.slice(3, turned, size)) : result;
  }

  /** Cosines or sines for all positions, [batch, 1, sequence, turned / 2]. */
  private static Tensor angles(Call call, int input, long turned) {
    Tensor cache = call.in(input);
    Tensor all = call.has(3) ? cache.gather(0, call.in(3)) : cache;
    return all.slice(2, 0, turned / 2).unsqueeze(1);
  }

  /** Writes an update into a cache, for each batch from a position of its own on. */
  private static Tensor write(Call call, Tensor cache) {
    Tensor update = call.in(1);
    int axis = call.axis(call.integer("axis", -2), cache.rank());
    long size = cache.dim(axis);
    long count = update.dim(axis);
    boolean circular = call.text("mode", "linear").equals("circular");
    Tensor[] results = new Tensor[cache.shape().intDim(0)];
    long[] starts = call.longsOr(2, new long[results.length]);
    for (int n = 0; n < results.length; n++) {
      long[] sources = new long[Math.toIntExact(size)];
      for (int i = 0; i < sources.length; i++) {
        sources[i] = i;
      }
      for (long i = 0; i < count; i++) {
        long at = circular ? Math.floorMod(starts[n] + i, size) : starts[n] + i;
        if (at < 0 || at >= size) {
          throw call.error("position %d is out of range for %s", at, cache.shape());
        }
        sources[(int) at] = size + i;
      }
      Tensor both = Tensor.concat(axis, cache.slice(0, n, n + 1), update.slice(0, n, n + 1));
      results[n] = both.gather(axis, OnnxValue.longs(Shape.of(size), sources));
    }
    return Tensor.concat(0, results);
  }
}
