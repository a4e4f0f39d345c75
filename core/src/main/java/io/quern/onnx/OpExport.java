package io.quern.onnx;

import io.quern.DType;
import io.quern.Device;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.onnx.ExportGraph.Term;
import io.quern.op.AdamStep;
import io.quern.op.ArgReduce;
import io.quern.op.AttentionGrad;
import io.quern.op.AttentionWeights;
import io.quern.op.Binary;
import io.quern.op.Cast;
import io.quern.op.Compare;
import io.quern.op.Composite;
import io.quern.op.Concat;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Conv3d;
import io.quern.op.ConvTranspose2d;
import io.quern.op.CumSum;
import io.quern.op.Fill;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.GroupNorm;
import io.quern.op.Iota;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.MatMul;
import io.quern.op.NormGrad;
import io.quern.op.Op;
import io.quern.op.OpBuilder;
import io.quern.op.Pad;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Random;
import io.quern.op.Reduce;
import io.quern.op.SgdStep;
import io.quern.op.Softmax;
import io.quern.op.Sort;
import io.quern.op.TakeAlong;
import io.quern.op.TakeAlongGrad;
import io.quern.op.TensorSpec;
import io.quern.op.TopK;
import io.quern.op.Unary;
import io.quern.op.View;
import io.quern.op.Where;
import io.quern.op.Window;
import io.quern.op.Window3d;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.LongStream;

/**
 * The table from ops to operators of ai.onnx in version {@link OnnxExport#OPSET}: one entry per op,
 * which writes nodes, or refuses with a reason. Composites that ONNX does not have are written as
 * what they are made of.
 */
final class OpExport implements OpBuilder<Term> {
  private static final String TRAINING = "it is a part of training, and models are written without";

  private final ExportGraph graph;
  private final Map<List<Object>, Term> scalars = new HashMap<>();
  private final Set<String> shared = new HashSet<>();

  OpExport(ExportGraph graph) {
    this.graph = graph;
  }

  /** Tells that a value is used by more than one op. */
  void share(Term term) {
    shared.add(term.name());
  }

  /** Why an op is not written. */
  static final class NotExportable extends RuntimeException {
    private static final long serialVersionUID = 1;

    NotExportable(String reason) {
      super(reason);
    }
  }

  @Override
  public Term apply(Op op, List<Term> inputs) {
    return write(op, inputs).getFirst();
  }

  @Override
  public TensorSpec spec(Term value) {
    return value.spec();
  }

  /**
   * Writes the nodes of an op.
   *
   * @return its results
   * @throws NotExportable if ONNX has nothing for it
   */
  List<Term> write(Op op, List<Term> in) {
    List<TensorSpec> specs = op.infer(in.stream().map(Term::spec).toList());
    TensorSpec out = specs.getFirst();
    return switch (op) {
      case View view -> List.of(view(view, in.getFirst(), out));
      case Unary(Unary.Fn fn) -> List.of(unary(fn, in.getFirst()));
      case Binary(Binary.Fn fn) -> List.of(binary(fn, in.get(0), in.get(1), out));
      case Compare(Compare.Fn fn) -> List.of(compare(fn, in.get(0), in.get(1), out));
      case Where _ -> List.of(node("Where", out, Map.of(), in));
      case Cast(DType dtype) -> List.of(cast(in.getFirst(), dtype));
      case Fill(TensorSpec _, double value) -> List.of(fill(out, value));
      case Iota _ -> List.of(iota(out));
      case Reduce reduce -> List.of(reduce(reduce, in.getFirst(), out));
      case ArgReduce arg -> List.of(arg(arg, in.getFirst(), out));
      case MatMul _ -> List.of(matMul(in.get(0), in.get(1), out));
      case Conv2d(Window window, int groups) ->
          List.of(node("Conv", out, sliding(window, groups), in));
      case Conv3d(Window3d window, int groups) ->
          List.of(node("Conv", out, sliding(window, groups), in));
      case ConvTranspose2d(Window window, int groups, int padH, int padW) ->
          List.of(transposed(window, groups, padH, padW, in, out));
      case Conv2dInputGrad grad -> List.of(inputGrad(grad, in.get(0), in.get(1), out));
      case Pool2d pool -> List.of(pool(pool, in.getFirst(), out));
      case Gather(int axis) -> List.of(node("Gather", out, axis(axis), in));
      case TakeAlong(int axis) -> List.of(node("GatherElements", out, axis(axis), in));
      case Concat(int axis) -> List.of(node("Concat", out, axis(axis), in));
      case Pad pad -> List.of(pad(pad, in.getFirst()));
      case CumSum(int axis, boolean exclusive, boolean reverse) ->
          List.of(cumSum(in.getFirst(), axis, exclusive, reverse));
      case Sort(int axis, boolean descending) ->
          topK(in.getFirst(), axis, in.getFirst().spec().shape().dim(axis), descending);
      case TopK top -> topK(top, in.getFirst());
      case Softmax(int axis) -> List.of(node("Softmax", out, axis(axis), in));
      case LogSoftmax(int axis) -> List.of(node("LogSoftmax", out, axis(axis), in));
      case LayerNorm norm when isNormal(out) ->
          List.of(node("LayerNormalization", out, layerNorm(norm), in));
      case GroupNorm norm when isNormal(out) && out.shape().rank() > 2 && out.shape().size() > 0 ->
          List.of(node("GroupNormalization", out, groupNorm(norm), in));
      case AttentionWeights weights -> List.of(weights(weights, in));
      case Composite composite -> List.of(composite.decompose(this, in));
      case Random _ ->
          throw new NotExportable("the random numbers of ONNX differ from engine to engine");
      case Conv2dWeightGrad _, Pool2dGrad _, GatherGrad _, TakeAlongGrad _, AttentionGrad _ ->
          throw new NotExportable(TRAINING);
      case NormGrad _, SgdStep _, AdamStep _ -> throw new NotExportable(TRAINING);
    };
  }

  // ---- nodes ------------------------------------------------------------------------------

  private static Map<String, Object> axis(int axis) {
    return Map.of("axis", (long) axis);
  }

  private Term node(String op, TensorSpec out, Term... in) {
    return node(op, out, Map.of(), List.of(in));
  }

  /** Adds an operator, in a wider type where it has none for the dtype of its inputs. */
  private Term node(String op, TensorSpec out, Map<String, Object> attributes, List<Term> in) {
    DType dtype = in.getFirst().spec().dtype();
    DType computed = computed(op, dtype);
    if (computed == dtype) {
      return graph.add(op, in, attributes, List.of(out)).getFirst();
    }
    List<Term> wide =
        in.stream()
            .map(each -> each.spec().dtype() == dtype ? cast(each, computed) : each)
            .toList();
    DType result = out.dtype() == dtype ? computed : out.dtype();
    return cast(graph.add(op, wide, attributes, List.of(out.with(result))).getFirst(), out.dtype());
  }

  /** The type that an operator computes a dtype in; integers keep their low bits. */
  private static DType computed(String op, DType dtype) {
    boolean narrow = dtype.isInteger() && dtype.bytes() < Integer.BYTES;
    return switch (op) {
      case "MatMul", "ReduceSum", "ReduceProd", "CumSum" -> narrow ? DType.I32 : dtype;
      case "ReduceMax", "ReduceMin" -> narrow && dtype.bytes() == 2 ? DType.I32 : dtype;
      case "Less", "LessOrEqual", "Greater", "GreaterOrEqual" ->
          dtype == DType.BOOL ? DType.I32 : dtype;
      case "TopK" -> dtype == DType.BOOL ? DType.I32 : wideBf16(dtype);
      case "Conv", "ConvTranspose", "MaxPool", "AveragePool" -> wideBf16(dtype);
      case "Sin", "Cos", "Softplus", "Softsign", "Round" -> wideBf16(dtype);
      default -> dtype;
    };
  }

  private static DType wideBf16(DType dtype) {
    return dtype == DType.BF16 ? DType.F32 : dtype;
  }

  private Term cast(Term x, DType dtype) {
    if (x.spec().dtype() == dtype) {
      return x;
    }
    Map<String, Object> to = Map.of("to", (long) ElementType.of(dtype).code());
    return graph.add("Cast", List.of(x), to, List.of(x.spec().with(dtype))).getFirst();
  }

  private Term fill(TensorSpec spec, double value) {
    Term scalar = scalars.computeIfAbsent(List.of(spec.dtype(), value), _ -> scalar(spec, value));
    if (spec.shape().rank() == 0) {
      return scalar;
    }
    return node("Expand", spec, scalar, sizes("fill_shape", spec.shape()));
  }

  private Term scalar(TensorSpec spec, double value) {
    return graph.weight("number", Call.full(value, spec.dtype(), Shape.scalar()));
  }

  private Term number(DType dtype, double value) {
    return fill(new TensorSpec(dtype, Shape.scalar()), value);
  }

  private Term sizes(String name, Shape shape) {
    return graph.sizes(name, shape.toArray());
  }

  // ---- views ------------------------------------------------------------------------------

  private Term view(View view, Term x, TensorSpec out) {
    return switch (view) {
      case View.Reshape(Shape shape) -> reshape(x, shape);
      case View.Permute(List<Integer> axes) -> {
        List<Long> order = axes.stream().map(Integer::longValue).toList();
        yield node("Transpose", out, Map.of("perm", order), List.of(x));
      }
      case View.Expand(Shape shape) -> node("Expand", out, x, sizes("expand_shape", shape));
      case View.Slice(int axis, long start, long count, long step) -> {
        long end = count == 0 ? start : start + (count - 1) * step + 1;
        yield slice(x, axis, start, end, step, out);
      }
      case View.Flip(int axis) -> slice(x, axis, -1, Long.MIN_VALUE, -1, out);
    };
  }

  private Term slice(Term x, int axis, long start, long end, long step, TensorSpec out) {
    return node(
        "Slice",
        out,
        x,
        graph.sizes("slice_start", start),
        graph.sizes("slice_end", end),
        graph.sizes("slice_axis", axis),
        graph.sizes("slice_step", step));
  }

  private Term reshape(Term x, Shape shape) {
    // Otherwise a size of 0 means that of the input.
    Map<String, Object> attributes = shape.size() == 0 ? Map.of("allowzero", 1L) : Map.of();
    List<Term> in = List.of(x, sizes("reshape_shape", shape));
    return node("Reshape", x.spec().with(shape), attributes, in);
  }

  // ---- elementwise ------------------------------------------------------------------------

  private Term unary(Unary.Fn fn, Term x) {
    TensorSpec spec = x.spec();
    return switch (fn) {
      case NEG -> node("Neg", spec, x);
      case ABS -> node("Abs", spec, x);
      case SIGN -> node("Sign", spec, x);
      case SQUARE -> node("Mul", spec, x, x);
      case RELU -> node(spec.dtype().isUnsigned() ? "Identity" : "Relu", spec, x);
      case SQRT -> node("Sqrt", spec, x);
      case RSQRT -> {
        Term wide = wide(x);
        Term root = node("Sqrt", wide.spec(), wide);
        yield cast(node("Reciprocal", root.spec(), root), spec.dtype());
      }
      case RECIPROCAL -> node("Reciprocal", spec, x);
      case EXP -> node("Exp", spec, x);
      case LOG -> node("Log", spec, x);
      case SIN -> node("Sin", spec, x);
      case COS -> node("Cos", spec, x);
      case TANH -> node("Tanh", spec, x);
      case SIGMOID -> node("Sigmoid", spec, x);
      case ERF -> node("Erf", spec, x);
      case GELU -> node("Gelu", spec, x);
      case SILU -> {
        Term wide = wide(x);
        Term gate = node("Sigmoid", wide.spec(), wide);
        yield cast(node("Mul", wide.spec(), wide, gate), spec.dtype());
      }
      case SOFTPLUS -> node("Softplus", spec, x);
      case SOFTSIGN -> node("Softsign", spec, x);
      case FLOOR -> node("Floor", spec, x);
      case CEIL -> node("Ceil", spec, x);
      case ROUND -> node("Round", spec, x);
      case NAN_MASK -> cast(node("IsNaN", spec.with(DType.BOOL), x), spec.dtype());
    };
  }

  /** Narrow floats round once, after the last of several operators. */
  private Term wide(Term x) {
    return x.spec().dtype().isFloat() && x.spec().dtype().bytes() == 2 ? cast(x, DType.F32) : x;
  }

  private Term binary(Binary.Fn fn, Term x, Term y, TensorSpec out) {
    boolean isBool = out.dtype() == DType.BOOL;
    return switch (fn) {
      case ADD -> sum(x, y, out);
      case SUB -> node("Sub", out, x, y);
      case MUL -> node("Mul", out, x, y);
      case DIV -> node("Div", out, x, y);
      case POW -> node("Pow", out, x, y);
      case MIN -> node(isBool ? "And" : "Min", out, x, y);
      case MAX -> node(isBool ? "Or" : "Max", out, x, y);
      case GATE -> {
        Term zero = number(out.dtype(), 0);
        Term passes = node("Greater", y.spec().with(DType.BOOL), y, zero);
        yield node("Where", out, passes, x, zero);
      }
    };
  }

  private Term compare(Compare.Fn fn, Term x, Term y, TensorSpec out) {
    return switch (fn) {
      case EQ -> node("Equal", out, x, y);
      case NE -> node("Not", out, node("Equal", out, x, y));
      case LT -> node("Less", out, x, y);
      case LE -> node("LessOrEqual", out, x, y);
      case GT -> node("Greater", out, x, y);
      case GE -> node("GreaterOrEqual", out, x, y);
    };
  }

  private Term iota(TensorSpec out) {
    DType dtype =
        switch (out.dtype()) {
          case F32, F64, I16, I32, I64 -> out.dtype();
          default -> DType.I64;
        };
    List<Term> range =
        LongStream.of(0, out.shape().size(), 1)
            .mapToObj(each -> number(dtype, (double) each))
            .toList();
    return cast(node("Range", out.with(dtype), Map.of(), range), out.dtype());
  }

  // ---- sums and products ------------------------------------------------------------------

  private Term reduce(Reduce reduce, Term x, TensorSpec out) {
    if (reduce.axes().isEmpty()) {
      return x;
    }
    String op =
        switch (reduce.fn()) {
          case SUM -> "ReduceSum";
          case PROD -> "ReduceProd";
          case MAX -> "ReduceMax";
          case MIN -> "ReduceMin";
        };
    long[] axes = reduce.axes().stream().mapToLong(Integer::longValue).toArray();
    List<Term> in = List.of(x, graph.sizes("reduce_axes", axes));
    return node(op, out, Map.of("keepdims", reduce.keepDims() ? 1L : 0L), in);
  }

  private Term arg(ArgReduce arg, Term x, TensorSpec out) {
    String op =
        switch (arg.fn()) {
          case ARGMAX -> "ArgMax";
          case ARGMIN -> "ArgMin";
        };
    Map<String, Object> attributes =
        Map.of("axis", (long) arg.axis(), "keepdims", arg.keepDims() ? 1L : 0L);
    return node(op, out, attributes, List.of(x));
  }

  private Term cumSum(Term x, int axis, boolean exclusive, boolean reverse) {
    Term along = graph.weight("axis", Tensor.full(axis, DType.I64, Device.cpu()));
    Map<String, Object> attributes =
        Map.of("exclusive", exclusive ? 1L : 0L, "reverse", reverse ? 1L : 0L);
    return node("CumSum", x.spec(), attributes, List.of(x, along));
  }

  /** A product with a transposed matrix, as of a layer's weight, is one operator. */
  private Term matMul(Term left, Term right, TensorSpec out) {
    ExportGraph.Node transpose = graph.producer(right.name());
    boolean isGemm =
        isMatrix(left)
            && isMatrix(right)
            && transpose != null
            && transpose.op().equals("Transpose")
            && computed("MatMul", out.dtype()) == out.dtype();
    if (!isGemm) {
      return node("MatMul", out, left, right);
    }
    Shape before = Shape.of(right.spec().shape().dim(1), right.spec().shape().dim(0));
    Term weight = new Term(transpose.inputs().getFirst(), right.spec().with(before));
    return node("Gemm", out, Map.of("transB", 1L), List.of(left, weight));
  }

  /** A sum; one of a product of matrices and a vector is one operator. */
  private Term sum(Term x, Term y, TensorSpec out) {
    ExportGraph.Node product = graph.producer(x.name());
    boolean isGemm =
        product != null
            && product.inputs().size() == 2
            && (product.op().equals("Gemm") || product.op().equals("MatMul"))
            && isMatrix(x)
            && x.spec().equals(out)
            && y.spec().shape().rank() == 1
            && !shared.contains(x.name());
    if (!isGemm) {
      return node("Add", out, x, y);
    }
    List<Term> in =
        List.of(new Term(product.inputs().get(0), out), new Term(product.inputs().get(1), out), y);
    return node("Gemm", out, product.attributes(), in);
  }

  private static boolean isMatrix(Term term) {
    return term.spec().shape().rank() == 2;
  }

  // ---- windows ----------------------------------------------------------------------------

  private static Map<String, Object> sliding(Window window, int groups) {
    Map<String, Object> attributes = sliding(window);
    attributes.put("group", (long) groups);
    return attributes;
  }

  private static Map<String, Object> sliding(Window window) {
    Map<String, Object> attributes = new LinkedHashMap<>();
    attributes.put("kernel_shape", longs(window.kernelH(), window.kernelW()));
    attributes.put("strides", longs(window.strideH(), window.strideW()));
    attributes.put("dilations", longs(window.dilationH(), window.dilationW()));
    attributes.put(
        "pads", longs(window.padTop(), window.padLeft(), window.padBottom(), window.padRight()));
    return attributes;
  }

  private static Map<String, Object> sliding(Window3d window, int groups) {
    Window plane = window.plane();
    return Map.of(
        "group",
        (long) groups,
        "kernel_shape",
        longs(window.kernelD(), plane.kernelH(), plane.kernelW()),
        "strides",
        longs(window.strideD(), plane.strideH(), plane.strideW()),
        "dilations",
        longs(window.dilationD(), plane.dilationH(), plane.dilationW()),
        "pads",
        longs(
            window.padFront(),
            plane.padTop(),
            plane.padLeft(),
            window.padBack(),
            plane.padBottom(),
            plane.padRight()));
  }

  private static List<Long> longs(long... values) {
    return LongStream.of(values).boxed().toList();
  }

  private Term transposed(
      Window window, int groups, long padH, long padW, List<Term> in, TensorSpec out) {
    Map<String, Object> attributes = sliding(window, groups);
    attributes.put("output_padding", longs(padH, padW));
    return node("ConvTranspose", out, attributes, in);
  }

  private Term inputGrad(Conv2dInputGrad grad, Term weight, Term gradient, TensorSpec out) {
    Window window = grad.window();
    Shape shape = gradient.spec().shape();
    long height =
        (shape.dim(2) - 1) * window.strideH()
            - window.padTop()
            - window.padBottom()
            + (long) window.dilationH() * (window.kernelH() - 1)
            + 1;
    long width =
        (shape.dim(3) - 1) * window.strideW()
            - window.padLeft()
            - window.padRight()
            + (long) window.dilationW() * (window.kernelW() - 1)
            + 1;
    return transposed(
        window,
        grad.groups(),
        out.shape().dim(2) - height,
        out.shape().dim(3) - width,
        List.of(gradient, weight),
        out);
  }

  private Term pool(Pool2d pool, Term x, TensorSpec out) {
    Map<String, Object> attributes = sliding(pool.window());
    return switch (pool.fn()) {
      case MAX -> node("MaxPool", out, attributes, List.of(x));
      case AVG -> {
        attributes.put("count_include_pad", pool.countPadding() ? 1L : 0L);
        yield node("AveragePool", out, attributes, List.of(x));
      }
    };
  }

  private Term pad(Pad pad, Term input) {
    Term x = input;
    Term value = number(x.spec().dtype(), pad.value());
    for (int d = 0; d < pad.low().size(); d++) {
      if (pad.interior().get(d) > 0) {
        x = spread(x, d, pad.interior().get(d), value);
      }
    }
    return x.spec().shape().rank() == 0 ? x : padded(x, pad.low(), pad.high(), value);
  }

  /** Puts {@code gap} values between neighbours along an axis: they become rows and are joined. */
  private Term spread(Term x, int axis, long gap, Term value) {
    Shape shape = x.spec().shape();
    List<Long> none = new ArrayList<>(Collections.nCopies(shape.rank() + 1, 0L));
    List<Long> high = new ArrayList<>(none);
    high.set(axis + 1, gap);
    Term rows = padded(reshape(x, shape.insert(axis + 1, 1)), none, high, value);
    Shape joined = shape.with(axis, shape.dim(axis) * (1 + gap));
    long count = Math.max(0, joined.dim(axis) - gap);
    TensorSpec out = x.spec().with(shape.with(axis, count));
    return slice(reshape(rows, joined), axis, 0, count, 1, out);
  }

  private Term padded(Term x, List<Long> low, List<Long> high, Term value) {
    long[] pads = LongStream.concat(stream(low), stream(high)).toArray();
    long[] dims = x.spec().shape().toArray();
    for (int d = 0; d < dims.length; d++) {
      dims[d] += low.get(d) + high.get(d);
    }
    TensorSpec out = x.spec().with(Shape.of(dims));
    return node("Pad", out, x, graph.sizes("pads", pads), value);
  }

  private static LongStream stream(List<Long> values) {
    return values.stream().mapToLong(Long::longValue);
  }

  // ---- order ------------------------------------------------------------------------------

  private List<Term> topK(TopK top, Term x) {
    List<Term> found = topK(x, top.axis(), top.count(), top.largest());
    if (top.sorted()) {
      return found;
    }
    Term positions = topK(found.get(1), top.axis(), top.count(), false).getFirst();
    TensorSpec values = found.getFirst().spec();
    return List.of(
        node("GatherElements", values, axis(top.axis()), List.of(x, positions)), positions);
  }

  private List<Term> topK(Term x, int axis, long count, boolean largest) {
    DType dtype = x.spec().dtype();
    Term wide = cast(x, computed("TopK", dtype));
    TensorSpec values = wide.spec().with(x.spec().shape().with(axis, count));
    List<Term> found =
        graph.add(
            "TopK",
            List.of(wide, graph.sizes("count", count)),
            Map.of("axis", (long) axis, "largest", largest ? 1L : 0L),
            List.of(values, values.with(DType.I64)));
    return List.of(cast(found.getFirst(), dtype), found.get(1));
  }

  // ---- layers -----------------------------------------------------------------------------

  /** Normalisations of ONNX compute their statistics in F32. */
  private static boolean isNormal(TensorSpec spec) {
    return spec.dtype() != DType.F64;
  }

  private static Map<String, Object> layerNorm(LayerNorm norm) {
    return Map.of("axis", (long) -norm.dims(), "epsilon", norm.epsilon());
  }

  private static Map<String, Object> groupNorm(GroupNorm norm) {
    return Map.of("num_groups", (long) norm.groups(), "epsilon", norm.epsilon());
  }

  /**
   * Without a mask every query sees a key, so the pieces that make zeros of rows that see none are
   * left out; they differ for infinite inputs only.
   */
  private Term weights(AttentionWeights op, List<Term> in) {
    Shape q = in.get(0).spec().shape();
    Shape k = in.get(1).spec().shape();
    int rank = q.rank();
    if (in.size() == 3 || q.dim(-3) != k.dim(-3)) {
      return op.decompose(this, in);
    }
    List<Integer> axes = new ArrayList<>();
    for (int d = 0; d < rank; d++) {
      axes.add(d < rank - 2 ? d : 2 * rank - 3 - d);
    }
    Term scaled = apply(new Binary(Binary.Fn.MUL), in.get(0), constant(in.get(0), op.scale()));
    Term scores = apply(new MatMul(), scaled, apply(new View.Permute(axes), in.get(1)));
    if (op.causal()) {
      Term rows = apply(new Iota(DType.I64, q.dim(-2)), List.of());
      Term column = reshape(rows, Shape.of(q.dim(-2), 1));
      Term columns = apply(new Iota(DType.I64, k.dim(-2)), List.of());
      Term visible = apply(new Compare(Compare.Fn.GE), column, columns);
      Term hidden = constant(scores, Double.NEGATIVE_INFINITY);
      scores = apply(new Where(), List.of(visible, scores, hidden));
    }
    return apply(new Softmax(rank - 1), scores);
  }
}
