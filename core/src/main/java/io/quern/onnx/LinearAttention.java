package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.graph.Trace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Attention without softmax: each head keeps a state of [key size, value size], which every token
 * decays and adds to, and which queries are multiplied with. States are kept in F32 from one token
 * to the next.
 */
final class LinearAttention {
  private static final List<String> RULES = List.of("linear", "gated", "delta", "gated_delta");

  private LinearAttention() {}

  static void addTo(OpTable table) {
    table.ops("LinearAttention", 27, LinearAttention::apply);
  }

  /**
   * What the tokens bring, in F32.
   *
   * @param queries [batch, token, head, queries of the head, key size], scaled
   * @param keys [batch, token, head, key size]
   * @param values [batch, token, head, value size]
   * @param decay logarithms, [batch, token, head, key size or 1]; null for none
   * @param rate of what is learnt, [batch, token, head or 1, 1]; null when all is
   */
  private record Tokens(
      Tensor queries, Tensor keys, Tensor values, @Nullable Tensor decay, @Nullable Tensor rate) {

    /** The state after a token. */
    Tensor next(Tensor state, int token) {
      Tensor kept = decay == null ? state : state.mul(at(decay, token, 3).exp());
      Tensor key = at(keys, token, 3);
      Tensor value = at(values, token, 2);
      if (rate != null) {
        Tensor known = key.transpose(2, 3).matmul(kept);
        value = value.sub(known).mul(at(rate, token, 3));
      }
      return kept.add(key.mul(value));
    }

    /** What a token's queries find, [batch, head, queries of the head, value size]. */
    Tensor found(Tensor state, int token) {
      return queries.select(1, token).matmul(state);
    }

    /** One token of [batch, token, head, size], with an axis more. */
    private static Tensor at(Tensor x, int token, int axis) {
      return x.select(1, token).unsqueeze(axis);
    }
  }

  private static Tensor[] apply(Call call) {
    Tensor query = call.in(0);
    if (query.rank() != 3 || call.in(1).rank() != 3 || call.in(2).rank() != 3) {
      throw call.error(
          "query, key and value must be [batch, tokens, heads * size], found %s, %s and %s",
          query.shape(), call.in(1).shape(), call.in(2).shape());
    }
    long count = query.dim(1);
    if (Trace.current() != null && count > ControlOps.LONGEST) {
      throw new NeedsValue(call.label() + " has more than " + ControlOps.LONGEST + " tokens");
    }
    long heads = call.integer("kv_num_heads");
    Tokens tokens = tokens(call, heads);
    long keySize = tokens.keys.dim(3);
    long valueSize = tokens.values.dim(3);
    Shape shape = Shape.of(query.dim(0), heads, keySize, valueSize);
    DType stateType = call.has(3) ? call.in(3).dtype() : query.dtype();
    Tensor state = call.has(3) ? call.in(3).to(DType.F32) : Call.full(0, DType.F32, shape);
    if (!state.shape().equals(shape)) {
      throw call.error("past_state must be of shape %s, found %s", shape, state.shape());
    }
    long width = call.integer("q_num_heads") * valueSize;
    Tensor[] found = new Tensor[Math.toIntExact(count)];
    for (int token = 0; token < found.length; token++) {
      state = tokens.next(state, token);
      found[token] = tokens.found(state, token).reshape(query.dim(0), 1, width);
    }
    Tensor output =
        found.length == 0
            ? Call.full(0, query.dtype(), Shape.of(query.dim(0), 0, width))
            : Tensor.concat(1, found).to(query.dtype());
    return new Tensor[] {output, state.to(stateType)};
  }

  private static Tokens tokens(Call call, long heads) {
    String rule = call.text("update_rule", "gated_delta");
    if (!RULES.contains(rule)) {
      throw call.error("update_rule must be one of %s, found '%s'", RULES, rule);
    }
    long queryHeads = call.integer("q_num_heads");
    if (heads < 1 || queryHeads < 1 || queryHeads % heads != 0) {
      throw call.error(
          "q_num_heads must be a positive multiple of kv_num_heads, found %d and %d",
          queryHeads, heads);
    }
    Tensor queries = perHead(call, "query", call.in(0), queryHeads);
    Tensor keys = perHead(call, "key", call.in(1), heads);
    Tensor values = perHead(call, "value", call.in(2), heads);
    long size = queries.dim(3);
    double given = call.number("scale", 0);
    double scale = given == 0 ? 1 / Math.sqrt((double) size) : given;
    return new Tokens(
        queries.mul(scale).reshape(queries.dim(0), queries.dim(1), heads, queryHeads / heads, size),
        keys,
        values,
        gate(call, 4, "decay", rule.startsWith("gated"), List.of(heads, heads * keys.dim(3))),
        gate(call, 5, "beta", rule.endsWith("delta"), List.of(heads, 1L)));
  }

  /** [batch, token, head * size] as [batch, token, head, size] in F32. */
  private static Tensor perHead(Call call, String name, Tensor x, long heads) {
    if (x.dim(2) % heads != 0) {
      throw call.error("%s %s cannot be divided among %d heads", name, x.shape(), heads);
    }
    return x.to(DType.F32).reshape(x.dim(0), x.dim(1), heads, x.dim(2) / heads);
  }

  /** An input that goes with some rules, of one of these sizes, as [batch, token, head, size]. */
  private static @Nullable Tensor gate(
      Call call, int input, String name, boolean expected, List<Long> sizes) {
    if (call.has(input) != expected) {
      throw call.error(
          "update_rule '%s' goes %s %s, found %s",
          call.text("update_rule", "gated_delta"),
          expected ? "with" : "without",
          name,
          expected ? "none" : "one");
    }
    if (!expected) {
      return null;
    }
    Tensor x = call.in(input);
    if (x.rank() != 3 || !sizes.contains(x.dim(2))) {
      throw call.error(
          "%s must be [batch, tokens, size] with a size of %d or %d, found %s",
          name, sizes.get(0), sizes.get(1), x.shape());
    }
    long heads = Math.min(x.dim(2), call.integer("kv_num_heads"));
    return perHead(call, name, x, heads);
  }
}
