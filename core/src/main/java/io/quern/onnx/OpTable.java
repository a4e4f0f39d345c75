package io.quern.onnx;

import io.quern.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Which operators there are, and what builds them: one entry for each version in which an operator
 * changed its meaning. Families of operators add theirs in classes of their own.
 */
final class OpTable {
  /** The newest version of ai.onnx whose operators are known. */
  static final long NEWEST = 28;

  /** All operators. */
  static final OpTable ALL = all();

  private final Map<Key, NavigableMap<Long, Entry>> entries = new HashMap<>();
  private String domain = "";

  /** How an operator meets a trace. */
  enum Kind {
    /** Computed at once when all of its inputs are known. */
    PURE,
    /** Gives other results each time. */
    RANDOM,
    /** Runs graphs, whose nodes decide for themselves. */
    BODY,
    /** Needs the elements of its inputs. */
    EAGER
  }

  /** Applies an operator to values. */
  @FunctionalInterface
  interface Builder {
    /** The outputs, in order; those that nobody wants may be left out at the end. */
    OnnxValue[] build(Call call);
  }

  private record Key(String domain, String op) {}

  /** A builder, and the version from which on it is right. */
  record Entry(long since, Kind kind, Builder builder) {}

  private static OpTable all() {
    OpTable table = new OpTable();
    ElementwiseOps.addTo(table);
    ShapeOps.addTo(table);
    IndexOps.addTo(table);
    ReduceOps.addTo(table);
    MatMulOps.addTo(table);
    ConvOps.addTo(table);
    PoolOps.addTo(table);
    NormOps.addTo(table);
    AttentionOps.addTo(table);
    LinearAttention.addTo(table);
    FlexAttention.addTo(table);
    LossOps.addTo(table);
    QuantizeOps.addTo(table);
    QuantizedOps.addTo(table);
    CastOps.addTo(table);
    CreationOps.addTo(table);
    ControlOps.addTo(table);
    SequenceOps.addTo(table);
    StringOps.addTo(table);
    RecurrentOps.addTo(table);
    ImageOps.addTo(table);
    SignalOps.addTo(table);
    DetectionOps.addTo(table);
    TrainingOps.addTo(table);
    MicrosoftOps.addTo(table);
    MlOps.addTo(table);
    return table;
  }

  /** Later entries belong to this domain; the empty one is ai.onnx. */
  OpTable domain(String name) {
    domain = name;
    return this;
  }

  private OpTable add(String op, long since, Kind kind, Builder builder) {
    NavigableMap<Long, Entry> versions =
        entries.computeIfAbsent(new Key(domain, op), _ -> new TreeMap<>());
    if (versions.put(since, new Entry(since, kind, builder)) != null) {
      throw new IllegalStateException("onnx: " + op + " " + since + " is listed twice");
    }
    return this;
  }

  /** An operator with one output. */
  OpTable op(String op, long since, Function<Call, Tensor> builder) {
    return add(op, since, Kind.PURE, call -> OnnxValue.all(builder.apply(call)));
  }

  /** An operator with several outputs. */
  OpTable ops(String op, long since, Function<Call, Tensor[]> builder) {
    return add(op, since, Kind.PURE, call -> OnnxValue.all(builder.apply(call)));
  }

  /** An operator with outputs of any kind. */
  OpTable values(String op, long since, Builder builder) {
    return add(op, since, Kind.PURE, builder);
  }

  /** An operator with one output that may be more than a tensor. */
  OpTable value(String op, long since, Function<Call, OnnxValue> builder) {
    return add(op, since, Kind.PURE, call -> new OnnxValue[] {builder.apply(call)});
  }

  /** An operator whose results depend on the elements of its inputs in a way that no plan has. */
  OpTable eager(String op, long since, Builder builder) {
    return add(op, since, Kind.EAGER, builder);
  }

  /** An operator that draws random numbers. */
  OpTable random(String op, long since, Builder builder) {
    return add(op, since, Kind.RANDOM, builder);
  }

  /** An operator that runs graphs. */
  OpTable body(String op, long since, Builder builder) {
    return add(op, since, Kind.BODY, builder);
  }

  /** The entry for a version of a domain, or null. */
  @Nullable Entry find(String domain, String op, long version) {
    NavigableMap<Long, Entry> versions = entries.get(new Key(domain, op));
    Map.Entry<Long, Entry> found = versions == null ? null : versions.floorEntry(version);
    return found == null ? null : found.getValue();
  }
}
