package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;

/**
 * Attention of the domain com.microsoft. Queries, keys and values are [batch, heads, sequence,
 * size] here; keys and values of a cache come before the new ones.
 */
final class MicrosoftAttention {
  private MicrosoftAttention() {}

  /** Entries of the table's domain com.microsoft. */
  static void addTo(OpTable table) {
    table.ops("Attention", 1, call -> attention(call, projected(call), 3, 4, 5));
    table.ops("QAttention", 1, call -> attention(call, quantisedProjected(call), 5, 8, 9));
    table.ops("MultiHeadAttention", 1, MicrosoftAttention::multiHead);
    table.ops("GroupQueryAttention", 1, MicrosoftAttention::grouped);
    table.op("RotaryEmbedding", 1, MicrosoftAttention::rotary);
  }

  private static void refuse(Call call, boolean isThere, String what, String remedy) {
    if (isThere) {
      throw call.error("%s is not supported; %s", what, remedy);
    }
  }

  // ---- projections and heads ---------------------------------------------------------------

  /** Queries, keys and values, side by side. */
  private static Tensor projected(Call call) {
    return MicrosoftOps.biased(call.in(0).matmul(call.in(1)), call, 2);
  }

  private static Tensor quantisedProjected(Call call) {
    Tensor product =
        QuantizeOps.product(
            call,
            call.in(0),
            call.has(6) ? call.in(6) : null,
            call.in(1),
            call.has(7) ? call.in(7) : null);
    return product.to(DType.F32).mul(call.in(3).mul(call.in(4))).add(call.in(2));
  }

  /**
   * Attention of what {@link #projected} gives.
   *
   * @param mask index of the input with the mask
   * @param past index of the input with the cache, [2, batch, heads, sequence, size]
   * @param bias index of the input that is added to the scores
   */
  private static Tensor[] attention(Call call, Tensor all, int mask, int past, int bias) {
    refuse(call, call.flag("do_rotary", false), "do_rotary", "rotate in nodes of their own");
    refuse(
        call,
        call.flag("past_present_share_buffer", false),
        "past_present_share_buffer",
        "export the model with caches that grow");
    long width = all.dim(2);
    long[] sizes = call.integers("qkv_hidden_sizes", new long[] {width / 3, width / 3, width / 3});
    long heads = call.integer("num_heads");
    Tensor q = AttentionOps.split(all.slice(2, 0, sizes[0]), heads);
    Tensor k = AttentionOps.split(all.slice(2, sizes[0], sizes[0] + sizes[1]), heads);
    Tensor v = AttentionOps.split(all.slice(2, sizes[0] + sizes[1], width), heads);
    if (call.has(past)) {
      k = Tensor.concat(2, call.in(past).select(0, 0), k);
      v = Tensor.concat(2, call.in(past).select(0, 1), v);
    }
    Tensor y = attended(call, q, k, v, mask, bias);
    return call.wants(1)
        ? new Tensor[] {y, Tensor.concat(0, k.unsqueeze(0), v.unsqueeze(0))}
        : new Tensor[] {y};
  }

  private static Tensor[] multiHead(Call call) {
    refuse(
        call, !call.has(1) || !call.has(2), "packed input", "give query, key and value as three");
    refuse(
        call,
        call.has(8) || call.has(9),
        "past_sequence_length and cache_indirection",
        "export the model with caches that grow");
    refuse(call, call.wants(3), "the output of scores", "remove its name");
    Tensor q = call.in(0);
    Tensor k = call.in(1);
    Tensor v = call.in(2);
    if (call.has(3)) {
      Tensor bias = call.in(3);
      long width = q.dim(2);
      q = q.add(bias.slice(0, 0, width));
      if (k.rank() == 3) {
        k = k.add(bias.slice(0, width, 2 * width));
        v = v.add(bias.slice(0, 2 * width, bias.dim(0)));
      }
    }
    long heads = call.integer("num_heads");
    Tensor keys = AttentionOps.split(k, heads);
    Tensor values = AttentionOps.split(v, heads);
    if (call.has(6) != call.has(7)) {
      throw call.error("past_key and past_value must be given together");
    }
    if (call.has(6)) {
      keys = Tensor.concat(2, call.in(6), keys);
      values = Tensor.concat(2, call.in(7), values);
    }
    Tensor y = attended(call, AttentionOps.split(q, heads), keys, values, 4, 5);
    return new Tensor[] {y, keys, values};
  }

  private static double scale(Call call, Tensor q) {
    double given = call.number("scale", 0);
    return given == 0 ? 1 / Math.sqrt((double) q.dim(3)) : given;
  }

  // ---- as many heads of keys as of queries -------------------------------------------------

  private static Tensor attended(Call call, Tensor q, Tensor k, Tensor v, int mask, int bias) {
    Tensor scores = q.matmul(k.transpose(2, 3)).mul(scale(call, q));
    if (call.has(mask)) {
      scores = scores.add(hidden(call, call.in(mask), scores));
    }
    scores = MicrosoftOps.biased(scores, call, bias);
    if (call.flag("unidirectional", false)) {
      long past = scores.dim(3) - scores.dim(2);
      Tensor rows = ShapeOps.indices(scores.dim(2), 0, 2);
      Tensor columns = ShapeOps.indices(scores.dim(3), 1, 2);
      Tensor visible = columns.sub(rows).compare(Compare.Fn.LE, (double) past);
      scores = scores.add(AttentionOps.unless(visible, scores, -Float.MAX_VALUE));
    }
    return AttentionOps.joined(scores.softmax(-1).matmul(v));
  }

  /**
   * What is added to scores. A mask has the lengths of the sequences and perhaps where they start,
   * or tells for each key, or for each query and key, whether it is seen.
   */
  private static Tensor hidden(Call call, Tensor mask, Tensor scores) {
    double filter = call.number("mask_filter_value", -10000);
    long batch = scores.dim(0);
    long columns = scores.dim(3);
    if (mask.rank() == 1) {
      if (mask.dim(0) != batch && mask.dim(0) != 2 * batch) {
        throw call.error(
            "a mask of shape %s is not supported, expected [%d], [%d], or one for each key",
            mask.shape(), batch, 2 * batch);
      }
      Tensor places = ShapeOps.indices(columns, 3, 4);
      Tensor bounds = mask.to(places.dtype()).reshape(mask.dim(0), 1, 1, 1);
      Tensor visible = places.compare(Compare.Fn.LT, bounds.slice(0, 0, batch));
      if (mask.dim(0) > batch) {
        Tensor started = places.compare(Compare.Fn.GE, bounds.slice(0, batch, 2 * batch));
        visible = visible.minimum(started);
      }
      return AttentionOps.unless(visible, scores, filter);
    }
    Tensor shaped =
        switch (mask.rank()) {
          case 2 -> mask.unsqueeze(1).unsqueeze(1);
          case 3 -> mask.unsqueeze(1);
          case 4 -> rowsOf(mask, scores);
          default -> throw call.error("a mask of shape %s is not supported", mask.shape());
        };
    return AttentionOps.unless(shaped.compare(Compare.Fn.NE, 0), scores, filter);
  }

  /** A mask may be as large as the longest sequence: the rows after the cache count. */
  private static Tensor rowsOf(Tensor mask, Tensor scores) {
    long rows = scores.dim(2);
    long columns = scores.dim(3);
    return mask.dim(2) > rows && mask.dim(3) >= columns
        ? mask.slice(2, columns - rows, columns).slice(3, 0, columns)
        : mask;
  }

  // ---- fewer heads of keys than of queries --------------------------------------------------

  /**
   * Ainslie et al., "GQA: Training Generalized Multi-Query Transformer Models", 2023. Caches may be
   * longer than what they hold: {@code seqlens_k} tells the last position of each sequence.
   */
  private static Tensor[] grouped(Call call) {
    refuse(call, call.flag("smooth_softmax", false) || call.has(11), "smooth_softmax", "remove it");
    refuse(call, call.has(12) || call.has(13), "a quantised cache", "export one of floats");
    refuse(call, call.wants(3), "the output of scores", "remove its name");
    long heads = call.integer("num_heads");
    long groups = call.integer("kv_num_heads");
    if (groups < 1 || heads % groups != 0) {
      throw call.error("num_heads is %d, expected a multiple of kv_num_heads %d", heads, groups);
    }
    Tensor query = call.in(0);
    boolean packed = !call.has(1);
    long size = query.dim(2) / (packed ? heads + 2 * groups : heads);
    long width = heads * size;
    long narrow = groups * size;
    Tensor q = AttentionOps.split(packed ? query.slice(2, 0, width) : query, heads);
    Tensor k =
        AttentionOps.split(packed ? query.slice(2, width, width + narrow) : call.in(1), groups);
    Tensor v =
        AttentionOps.split(
            packed ? query.slice(2, width + narrow, width + 2 * narrow) : call.in(2), groups);
    long total = call.longs(6)[0];
    Tensor past = past(call, q, total);
    if (call.flag("do_rotary", false)) {
      Tensor rows = ShapeOps.indices(q.dim(2), 1, 2);
      Tensor places = call.has(9) ? call.in(9) : rows.add(past);
      q = turned(call, q, places);
      k = turned(call, k, places);
    }
    Tensor keys = cached(call, 3, k, past, total);
    Tensor values = cached(call, 4, v, past, total);
    Tensor y = attendedInGroups(call, q, held(keys, total), held(values, total), past);
    return new Tensor[] {AttentionOps.joined(y), keys, values};
  }

  /** The positions of a cache that hold something. */
  private static Tensor held(Tensor cache, long total) {
    return cache.dim(2) > total ? cache.slice(2, 0, total) : cache;
  }

  /** How many positions each sequence has in the cache, I64 [batch, 1]. */
  private static Tensor past(Call call, Tensor q, long total) {
    long batch = q.dim(0);
    if (q.dim(2) == total) {
      return Call.full(0, DType.I64, Shape.of(batch, 1));
    }
    return call.in(5).to(DType.I64).reshape(batch, 1).add(1).sub((double) q.dim(2));
  }

  private static Tensor turned(Call call, Tensor x, Tensor places) {
    Tensor cos = call.in(7).gather(0, places).unsqueeze(1);
    Tensor sin = call.in(8).gather(0, places).unsqueeze(1);
    boolean interleaved = call.flag("rotary_interleaved", false);
    return AttentionOps.rotated(x, 2 * cos.dim(3), interleaved, cos, sin);
  }

  /** The cache with new elements after those that it holds, and zeros after them. */
  private static Tensor cached(Call call, int input, Tensor fresh, Tensor past, long total) {
    if (!call.has(input)) {
      return fresh;
    }
    Tensor cache = call.in(input);
    long held = cache.dim(2);
    long size = Math.max(total, held);
    Tensor places = ShapeOps.indices(size, 1, 2);
    Tensor since = places.sub(past);
    Tensor isFresh = since.compare(Compare.Fn.GE, 0);
    Tensor isThere = since.compare(Compare.Fn.LT, (double) fresh.dim(2));
    Tensor source = Tensor.where(isFresh, since.add((double) held), places.expand(since.shape()));
    Tensor known = Tensor.where(isThere, source, source.fullLike(0));
    Shape shape = fresh.shape().with(2, size);
    Tensor all = Tensor.concat(2, cache, fresh);
    Tensor found = all.takeAlong(2, known.reshape(fresh.dim(0), 1, size, 1).expand(shape));
    Tensor isThereToo = isThere.reshape(fresh.dim(0), 1, size, 1);
    return Tensor.where(isThereToo, found, ElementwiseOps.scalar(found, 0));
  }

  private static Tensor attendedInGroups(Call call, Tensor q, Tensor k, Tensor v, Tensor past) {
    long batch = q.dim(0);
    long heads = q.dim(1);
    long rows = q.dim(2);
    long columns = k.dim(2);
    long groups = k.dim(1);
    Shape grouped = Shape.of(batch, groups, heads / groups * rows, q.dim(3));
    Tensor products = q.reshape(grouped).matmul(k.transpose(2, 3)).mul(scale(call, q));
    Tensor scores = products.reshape(batch, heads, rows, columns);
    double cap = call.number("softcap", 0);
    scores = cap == 0 ? scores : scores.mul(1 / cap).tanh().mul(cap);
    if (call.has(10)) {
      Tensor bias = call.in(10);
      scores = scores.add(bias.dim(3) > columns ? bias.slice(3, 0, columns) : bias);
    }
    Tensor weights = scores.add(unseen(call, scores, past)).softmax(-1);
    return weights
        .reshape(batch, groups, heads / groups * rows, columns)
        .matmul(v)
        .reshape(batch, heads, rows, v.dim(3));
  }

  /** What is added where a query does not see a key: later ones, and those before its window. */
  private static Tensor unseen(Call call, Tensor scores, Tensor past) {
    Tensor rows = ShapeOps.indices(scores.dim(2), 2, 4);
    Tensor columns = ShapeOps.indices(scores.dim(3), 3, 4);
    Tensor behind = rows.add(past.reshape(past.dim(0), 1, 1, 1)).sub(columns);
    Tensor visible = behind.compare(Compare.Fn.GE, 0);
    long window = call.integer("local_window_size", -1);
    if (window > 0) {
      visible = visible.minimum(behind.compare(Compare.Fn.LT, (double) window));
    }
    return AttentionOps.unless(visible, scores, Double.NEGATIVE_INFINITY);
  }

  // ---- rotary embeddings -------------------------------------------------------------------

  private static Tensor rotary(Call call) {
    Tensor x = call.in(0);
    Tensor cache = call.in(2);
    long size = 2 * cache.dim(1);
    long part = call.integer("rotary_embedding_dim", 0);
    long heads = call.integer("num_heads", 0);
    Tensor split = AttentionOps.split(x, heads > 0 ? heads : x.rank() == 3 ? x.dim(2) / size : 0);
    Tensor places = call.in(1);
    if (places.rank() == 1) {
      places = ShapeOps.indices(split.dim(2), 1, 2).to(places.dtype()).add(places);
    }
    Tensor result =
        AttentionOps.rotated(
            split,
            part == 0 ? size : part,
            call.flag("interleaved", false),
            cache.gather(0, places).unsqueeze(1),
            call.in(3).gather(0, places).unsqueeze(1));
    return x.rank() == 3 ? result.transpose(1, 2).reshape(x.shape()) : result;
  }
}
