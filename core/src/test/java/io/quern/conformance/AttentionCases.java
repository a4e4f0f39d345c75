package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.AttentionWeights;
import io.quern.op.Op;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Cases for {@link AttentionWeights}, {@link Attention} and {@link AttentionGrad}. */
final class AttentionCases {
  private static final double HIDDEN = Double.NEGATIVE_INFINITY;

  /** Sizes of the inputs; {@code mask} may be null. */
  private record Sizes(Shape q, Shape k, long valueSize, Shape mask) {
    Shape v() {
      return k.with(-1, valueSize);
    }

    Shape output() {
      return q.with(-1, valueSize);
    }

    static Sizes of(long batch, long heads, long keyHeads, long queries, long keys, long size) {
      return new Sizes(
          Shape.of(batch, heads, queries, size),
          Shape.of(batch, keyHeads, keys, size),
          size,
          Shape.scalar());
    }

    Sizes valueSize(long size) {
      return new Sizes(q, k, size, mask);
    }

    Sizes mask(long... dims) {
      return new Sizes(q, k, valueSize, Shape.of(dims));
    }

    boolean isMasked() {
      return mask.rank() > 0;
    }
  }

  private static final List<Sizes> SMALL =
      List.of(
          Sizes.of(2, 2, 2, 3, 4, 5),
          Sizes.of(1, 1, 1, 1, 1, 1),
          Sizes.of(1, 4, 2, 3, 2, 4).valueSize(3),
          Sizes.of(2, 2, 1, 2, 5, 3).mask(2, 1, 2, 5),
          Sizes.of(1, 2, 2, 4, 3, 4).mask(4, 3),
          Sizes.of(2, 1, 1, 3, 4, 2).mask(1, 4),
          Sizes.of(1, 2, 2, 3, 4, 2).mask(2, 3, 1));

  private static final List<Sizes> LARGE =
      List.of(
          Sizes.of(1, 2, 2, 7, 63, 16),
          Sizes.of(1, 2, 1, 48, 64, 32).valueSize(40),
          Sizes.of(2, 1, 1, 49, 65, 33).valueSize(31),
          Sizes.of(1, 1, 1, 5, 192, 8).mask(5, 192),
          Sizes.of(1, 2, 2, 100, 193, 24).mask(1, 1, 1, 193),
          Sizes.of(1, 3, 1, 1, 500, 64).valueSize(64),
          Sizes.of(1, 1, 1, 210, 401, 64).mask(210, 401),
          Sizes.of(1, 1, 1, 401, 210, 6),
          Sizes.of(2, 1, 1, 20, 70, 72),
          Sizes.of(8, 16, 8, 20, 10, 8),
          Sizes.of(8, 16, 16, 17, 5, 100),
          Sizes.of(0, 2, 2, 3, 4, 5),
          Sizes.of(2, 2, 2, 0, 4, 5),
          Sizes.of(1, 2, 2, 3, 4, 0),
          Sizes.of(1, 2, 2, 3, 4, 2).valueSize(0));

  /**
   * Rows of whole fours of pairs, and parts of tiles, as matrix units of GPUs take narrow floats.
   */
  private static final List<Sizes> TILED =
      List.of(
          Sizes.of(1, 2, 2, 9, 5, 8),
          Sizes.of(1, 2, 1, 70, 257, 64).valueSize(32),
          Sizes.of(1, 1, 1, 140, 100, 128),
          Sizes.of(1, 1, 1, 70, 129, 72).valueSize(128),
          Sizes.of(1, 1, 1, 193, 140, 40).mask(193, 140),
          Sizes.of(2, 2, 1, 20, 150, 32).mask(2, 1, 1, 150));

  private AttentionCases() {}

  static void addTo(List<OpCase> cases) {
    for (boolean causal : new boolean[] {false, true}) {
      for (Sizes sizes : SMALL) {
        for (Input.Form form : Input.Form.values()) {
          add(sizes, DType.F32, form, Values.signed(), 0.5, causal, true, cases);
        }
        for (DType dtype : new DType[] {DType.F64, DType.F16, DType.BF16}) {
          add(sizes, dtype, Input.Form.PLAIN, Values.signed(), 0.5, causal, false, cases);
        }
      }
      for (Sizes sizes : LARGE) {
        add(sizes, DType.F32, Input.Form.PLAIN, Values.signed(), 0.25, causal, false, cases);
      }
      for (DType dtype : new DType[] {DType.F16, DType.BF16}) {
        for (Sizes sizes : TILED) {
          add(sizes, dtype, Input.Form.PLAIN, Values.signed(), 0.125, causal, false, cases);
        }
      }
      for (Input.Form form : Input.Form.values()) {
        add(TILED.getLast(), DType.BF16, form, Values.signed(), 0.25, causal, false, cases);
      }
      Sizes several = Sizes.of(1, 2, 2, 50, 200, 18);
      for (Input.Form form : Input.Form.values()) {
        add(several.mask(2, 50, 200), DType.F32, form, Values.signed(), -0.5, causal, false, cases);
      }
    }
    masks(cases);
    Shape shape = Shape.of(3, 4, 5);
    cases.add(
        OpCase.of(
            new Attention(1, false),
            tolerance(shape, shape),
            "without batch",
            Input.of(DType.F32, shape, Values.signed()),
            Input.of(DType.F32, shape, Values.signed()),
            Input.of(DType.F32, shape, Values.signed())));
  }

  /** Keys that are hidden, up to all that a query has, and scores that are not finite. */
  private static void masks(List<OpCase> cases) {
    Values some = Values.of(0, HIDDEN, 1, HIDDEN, -2, 0.5, HIDDEN);
    // The periods of the values are the keys, so that whole rows are hidden.
    double[] rows = new double[2 * 300];
    Arrays.fill(rows, 0, 300, HIDDEN);
    double[] late = new double[300];
    Arrays.fill(late, 0, 250, HIDDEN);
    double[] early = new double[300];
    Arrays.fill(early, 3, 300, HIDDEN);
    Sizes sizes = Sizes.of(1, 2, 1, 10, 300, 8).mask(10, 300);
    for (boolean causal : new boolean[] {false, true}) {
      for (Values values : List.of(some, Values.of(rows), Values.of(late), Values.of(early))) {
        masked(sizes, DType.F32, values, causal, cases);
      }
      for (DType dtype : new DType[] {DType.F32, DType.F64, DType.F16, DType.BF16}) {
        Sizes small = Sizes.of(1, 2, 1, 3, 4, 2).mask(3, 4);
        double[] first = {HIDDEN, HIDDEN, HIDDEN, HIDDEN, 1, 0, HIDDEN, 2, 0, 0, 0, 0};
        masked(small, dtype, Values.of(first), causal, cases);
        masked(small, dtype, Values.of(0, 1, 2, 3, 4, Double.NaN), false, cases);
      }
      for (DType dtype : new DType[] {DType.F16, DType.BF16}) {
        for (Values values : List.of(some, Values.of(rows), Values.of(late), Values.of(early))) {
          masked(sizes, dtype, values, causal, cases);
        }
        masked(sizes, dtype, Values.of(0, 1, 2, 3, Double.NaN, 4, 5), false, cases);
        double lowest = dtype == DType.F16 ? -65_504 : -0x1.fep127;
        double[] padded = new double[300];
        Arrays.fill(padded, 100, 300, lowest);
        double[] all = new double[2 * 300];
        Arrays.fill(all, 0, 300, lowest);
        masked(sizes, dtype, Values.of(padded), causal, cases);
        masked(sizes, dtype, Values.of(all), causal, cases);
      }
    }
    Sizes far = Sizes.of(1, 1, 1, 7, 200, 4);
    Values large = Values.uniform(-30, 30);
    add(far, DType.F32, Input.Form.PLAIN, large, 1, false, false, cases);
  }

  private static void masked(
      Sizes sizes, DType dtype, Values mask, boolean causal, List<OpCase> cases) {
    String remark = (causal ? "causal" : "") + " hidden " + cases.size();
    cases.add(
        OpCase.of(
            new Attention(0.5, causal),
            tolerance(sizes.q, sizes.k),
            remark,
            Input.of(dtype, sizes.q, Values.signed()),
            Input.of(dtype, sizes.k, Values.signed()),
            Input.of(dtype, sizes.v(), Values.signed()),
            Input.of(dtype, sizes.mask, mask)));
    cases.add(
        OpCase.of(
            new AttentionGrad(0.5, causal),
            gradTolerance(sizes.q, sizes.k),
            remark,
            Input.of(dtype, sizes.q, Values.signed()),
            Input.of(dtype, sizes.k, Values.signed()),
            Input.of(dtype, sizes.v(), Values.signed()),
            Input.of(dtype, sizes.output(), Values.signed()),
            Input.of(dtype, sizes.output(), Values.signed()),
            Input.of(dtype, sizes.mask, mask)));
  }

  private static void add(
      Sizes sizes,
      DType dtype,
      Input.Form form,
      Values values,
      double scale,
      boolean causal,
      boolean differentiable,
      List<OpCase> cases) {
    String remark = "scale " + scale + " " + form + (causal ? " causal" : "");
    Input q = Input.of(dtype, sizes.q, values, form);
    Input k = Input.of(dtype, sizes.k, values, form);
    Input v = Input.of(dtype, sizes.v(), Values.signed(), form);
    Input output = Input.of(dtype, sizes.output(), Values.signed(), form);
    List<Input> mask = new ArrayList<>();
    if (sizes.isMasked()) {
      mask.add(Input.of(dtype, sizes.mask, Values.signed(), form));
    }
    Tolerance tolerance = tolerance(sizes.q, sizes.k);
    OpCase weights =
        OpCase.of(new AttentionWeights(scale, causal), tolerance, remark, with(mask, q, k));
    OpCase attention =
        OpCase.of(new Attention(scale, causal), tolerance, remark, with(mask, q, k, v));
    cases.add(differentiable ? weights.differentiable() : weights);
    cases.add(differentiable ? attention.differentiable() : attention);
    cases.add(
        OpCase.of(
            new AttentionGrad(scale, causal),
            gradTolerance(sizes.q, sizes.k),
            remark,
            with(mask, q, k, v, output, output)));
  }

  private static Input[] with(List<Input> mask, Input... inputs) {
    List<Input> all = new ArrayList<>(List.of(inputs));
    all.addAll(mask);
    return all.toArray(Input[]::new);
  }

  private static Tolerance tolerance(Shape q, Shape k) {
    return Tolerance.chain(8, q.dim(-1) + k.dim(-2), AttentionCases::magnitude);
  }

  /** A weight has the relative error of its score, of the largest one and of the sum. */
  private static List<HostArray> magnitude(Op op, List<HostArray> inputs) {
    List<HostArray> absolute = new ArrayList<>(inputs);
    double scale;
    if (op instanceof Attention attention) {
      scale = attention.scale();
      absolute.set(2, inputs.get(2).absolute());
    } else {
      scale = ((AttentionWeights) op).scale();
    }
    double size = 1 + 2 * largestScore(scale, inputs, op instanceof Attention ? 3 : 2);
    HostArray result = Oracle.run(op, absolute).getFirst();
    double[] sizes = Arrays.stream(result.values()).map(x -> size * x).toArray();
    return List.of(new HostArray(result.spec(), sizes));
  }

  /** An upper bound for {@code |scale| sum |q k| + |mask|}. */
  private static double largestScore(double scale, List<HostArray> inputs, int mask) {
    HostArray q = inputs.get(0);
    HostArray k = inputs.get(1);
    int size = q.shape().intDim(-1);
    List<double[]> keys = rows(k, size);
    double largest = 0;
    for (double[] query : rows(q, size)) {
      for (double[] key : keys) {
        double sum = 0;
        for (int i = 0; i < size; i++) {
          sum += Math.abs(query[i] * key[i]);
        }
        largest = Math.max(largest, Math.abs(scale) * sum);
      }
    }
    double added = 0;
    for (int i = mask; i < inputs.size(); i++) {
      for (double value : inputs.get(i).values()) {
        // Of scores nothing is left beside the largest numbers, so that they are not wrong.
        added = Math.max(added, Math.abs(value) < 1e30 ? Math.abs(value) : 0);
      }
    }
    return largest + added;
  }

  private static List<double[]> rows(HostArray array, int size) {
    List<double[]> rows = new ArrayList<>();
    for (int at = 0; size > 0 && at < array.values().length; at += size) {
      rows.add(Arrays.copyOfRange(array.values(), at, at + size));
    }
    return rows;
  }

  private static Tolerance gradTolerance(Shape q, Shape k) {
    long group = q.dim(-3) / k.dim(-3);
    return Tolerance.chain(
        16,
        2 * q.dim(-1) + 2 * k.dim(-2) + group * q.dim(-2),
        (op, inputs) -> gradMagnitude((AttentionGrad) op, inputs));
  }

  /**
   * The sums of the formula on absolute values, times the relative error of the weights; weights
   * below the least normal float have an absolute error.
   */
  private static List<HostArray> gradMagnitude(AttentionGrad op, List<HostArray> inputs) {
    List<HostArray> scored = new ArrayList<>(inputs.subList(0, 2));
    scored.addAll(inputs.subList(5, inputs.size()));
    double[] p =
        Oracle.run(new AttentionWeights(op.scale(), op.causal()), scored).getFirst().values();
    double size = 1 + 2 * largestScore(op.scale(), inputs, 5);
    Shape qs = inputs.get(0).shape();
    Shape ks = inputs.get(1).shape();
    int queries = qs.intDim(-2);
    int keys = ks.intDim(-2);
    int group = (int) (qs.dim(-3) / ks.dim(-3));
    int d = qs.intDim(-1);
    int dv = inputs.get(2).shape().intDim(-1);
    double[] q = inputs.get(0).absolute().values();
    double[] k = inputs.get(1).absolute().values();
    double[] v = inputs.get(2).absolute().values();
    double[] o = inputs.get(3).absolute().values();
    double[] g = inputs.get(4).absolute().values();
    double[] dq = new double[q.length];
    double[] dk = new double[k.length];
    double[] dvs = new double[v.length];
    for (int i = 0; i < p.length / Math.max(1, keys); i++) {
      int keyHead = i / queries / group;
      double mean = 0;
      for (int t = 0; t < dv; t++) {
        mean += g[i * dv + t] * o[i * dv + t];
      }
      for (int j = 0; j < keys; j++) {
        int row = keyHead * keys + j;
        double weight = size * Math.max(p[i * keys + j], Values.leastNormal(DType.F32));
        double ds = mean;
        for (int t = 0; t < dv; t++) {
          ds += g[i * dv + t] * v[row * dv + t];
          dvs[row * dv + t] += weight * g[i * dv + t];
        }
        ds *= weight * Math.abs(op.scale());
        for (int t = 0; t < d; t++) {
          dq[i * d + t] += ds * k[row * d + t];
          dk[row * d + t] += ds * q[i * d + t];
        }
      }
    }
    return List.of(
        new HostArray(inputs.get(0).spec(), dq),
        new HostArray(inputs.get(1).spec(), dk),
        new HostArray(inputs.get(2).spec(), dvs));
  }
}
