package io.quern.conformance;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.ArgReduce;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.AttentionWeights;
import io.quern.op.Binary;
import io.quern.op.BlockMatMul;
import io.quern.op.Compare;
import io.quern.op.Concat;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Conv3d;
import io.quern.op.ConvTranspose2d;
import io.quern.op.CumSum;
import io.quern.op.Gather;
import io.quern.op.GatherGrad;
import io.quern.op.GroupNorm;
import io.quern.op.Iota;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.MatMul;
import io.quern.op.NormGrad;
import io.quern.op.Op;
import io.quern.op.Pad;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.PooledConv2d;
import io.quern.op.Quantization;
import io.quern.op.QuantizedAdd;
import io.quern.op.QuantizedConv2d;
import io.quern.op.Random;
import io.quern.op.Reduce;
import io.quern.op.RmsNorm;
import io.quern.op.SgdStep;
import io.quern.op.Softmax;
import io.quern.op.SoftmaxGrad;
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
import java.util.List;

/** Inputs that ops refuse, with the messages. */
public final class ErrorCases {
  private static final List<ErrorCase> ALL = collect();

  private ErrorCases() {}

  /** Every case; names are unique. */
  public static List<ErrorCase> all() {
    return ALL;
  }

  private static List<ErrorCase> collect() {
    List<ErrorCase> cases = new ArrayList<>();
    elementwise(cases);
    reductions(cases);
    norms(cases);
    products(cases);
    blockProducts(cases);
    volumes(cases);
    attention(cases);
    indices(cases);
    shapes(cases);
    views(cases);
    return List.copyOf(cases);
  }

  private static Input f32(long... dims) {
    return Input.of(DType.F32, Shape.of(dims), Values.signed());
  }

  private static Input of(DType dtype, long... dims) {
    return Input.of(dtype, Shape.of(dims), Values.signed());
  }

  private static Input index(DType dtype, double[] values, long... dims) {
    return Input.of(dtype, Shape.of(dims), Values.of(values));
  }

  private static void refused(List<ErrorCase> cases, Op op, String message, Input... inputs) {
    add(cases, op, IllegalArgumentException.class, op.name() + ": " + message, inputs);
  }

  private static void outOfRange(List<ErrorCase> cases, Op op, String message, Input... inputs) {
    add(cases, op, IndexOutOfBoundsException.class, op.name() + ": " + message, inputs);
  }

  private static void add(
      List<ErrorCase> cases,
      Op op,
      Class<? extends RuntimeException> type,
      String message,
      Input... inputs) {
    String name = cases.size() + " " + message;
    cases.add(new ErrorCase(name, op, List.of(inputs), type, message));
  }

  private static void elementwise(List<ErrorCase> cases) {
    Op add = new Binary(Binary.Fn.ADD);
    refused(cases, add, "shapes [2, 3] and [2, 4] do not broadcast", f32(2, 3), f32(2, 4));
    refused(cases, add, "dtypes differ", f32(2), of(DType.I32, 2));
    refused(cases, add, "needs a numeric dtype", of(DType.BOOL, 2), of(DType.BOOL, 2));
    refused(cases, new Binary(Binary.Fn.POW), "needs a float dtype", of(DType.I64), of(DType.I64));
    refused(cases, new Compare(Compare.Fn.LT), "dtypes differ", f32(2), of(DType.F64, 2));
    refused(cases, new Unary(Unary.Fn.EXP), "needs a float dtype", of(DType.I32, 2));
    refused(cases, new Unary(Unary.Fn.NEG), "needs a numeric dtype", of(DType.BOOL, 2));
    refused(cases, new Unary(Unary.Fn.NEG), "U8 has no negative values", of(DType.U8, 2));
    Op biased = EpilogueCases.biasRelu();
    refused(cases, biased, "takes 3 inputs, found 2", f32(2, 3), f32(3, 4));
    refused(
        cases,
        biased,
        "the result of the chain must have shape [2, 4], found [5, 2, 4]",
        f32(2, 3),
        f32(3, 4),
        f32(5, 1, 1));
    pooled(cases);
    refused(cases, FusedCases.tanh(), "takes 2 inputs, found 1", f32(2));
    refused(cases, FusedCases.tanh(), "shapes [2] and [3] do not broadcast", f32(2), f32(3));
    refused(cases, FusedCases.tanh(), "dtypes differ", f32(2), of(DType.F64, 2));
    Op distance = FusedReduceCases.distance();
    Class<IllegalArgumentException> illegal = IllegalArgumentException.class;
    add(cases, distance, illegal, "fused: takes 2 inputs, found 1", f32(2));
    add(cases, distance, illegal, "reduce_sum: axis 0 is out of range", f32(), f32());
    refused(cases, new Where(), "the condition must be BOOL", f32(2), f32(2), f32(2));
    refused(cases, new Where(), "dtypes differ", of(DType.BOOL, 2), f32(2), of(DType.F16, 2));
    add(
        cases,
        new Binary(Binary.Fn.DIV),
        ArithmeticException.class,
        "div: integer division by zero",
        of(DType.I32, 40),
        index(DType.I32, new double[] {1, 2, 0}, 40));
    refused(cases, new Iota(DType.BOOL, 3), "needs a numeric dtype");
    TensorSpec spec = new TensorSpec(DType.F32, Shape.of(3));
    refused(cases, new Random(Random.Distribution.UNIFORM, spec), "the key must be I64[2]", f32(2));
  }

  private static void pooled(List<ErrorCase> cases) {
    Conv2d conv = new Conv2d(Window.of(3), 1);
    Pool2d pool = new Pool2d(Pool2d.Fn.MAX, Window.of(2), true);
    Pool2d average = new Pool2d(Pool2d.Fn.AVG, Window.of(2), true);
    Input[] inputs = {f32(1, 2, 5, 5), f32(4, 2, 3, 3)};
    refused(cases, new PooledConv2d(conv, average), "needs a pool of maxima", inputs);
    refused(cases, new PooledConv2d(new MatMul(), pool), "needs a conv2d, found matmul", inputs);
  }

  private static void reductions(List<ErrorCase> cases) {
    Reduce sum = new Reduce(Reduce.Fn.SUM, List.of(2), false);
    refused(cases, sum, "axis 2 is out of range for shape [3, 4]", f32(3, 4));
    Reduce twice = new Reduce(Reduce.Fn.SUM, List.of(0, -2), false);
    refused(cases, twice, "axis -2 is listed twice", f32(3, 4));
    refused(
        cases,
        new Reduce(Reduce.Fn.PROD, List.of(0), false),
        "needs a numeric dtype",
        of(DType.BOOL, 3));
    refused(
        cases,
        new Reduce(Reduce.Fn.MAX, List.of(1), false),
        "no elements to fold over axes [1] of [3, 0]",
        f32(3, 0));
    refused(
        cases,
        new ArgReduce(ArgReduce.Fn.ARGMAX, 0, false),
        "axis 0 of [0, 3] is empty",
        f32(0, 3));
    refused(cases, new ArgReduce(ArgReduce.Fn.ARGMIN, 1, false), "axis 1 is out of range", f32(3));
    refused(cases, new CumSum(2, false, false), "axis 2 is out of range", f32(3, 4));
    refused(cases, new CumSum(0, false, false), "needs a numeric dtype", of(DType.BOOL, 3));
    refused(cases, new Sort(-3, true), "axis -3 is out of range", f32(3, 4));
    refused(cases, new TopK(2, 1, true, true), "axis 2 is out of range", f32(3, 4));
    String tooMany = "axis 1 of [3, 4] does not have 5 elements";
    refused(cases, new TopK(1, 5, true, true), tooMany, f32(3, 4));
    refused(cases, new Softmax(2), "axis 2 is out of range", f32(3, 4));
    refused(cases, new Softmax(0), "needs a float dtype", of(DType.I32, 3));
    refused(cases, new SoftmaxGrad(2, false), "axis 2 is out of range", f32(3, 4), f32(3, 4));
    refused(
        cases,
        new SoftmaxGrad(1, true),
        "the gradient must have shape [3, 4], found [3]",
        f32(3, 4),
        f32(3));
    refused(cases, new LogSoftmax(-3), "axis -3 is out of range", f32(3, 4));
    refused(
        cases,
        new LayerNorm(1, 1e-5),
        "gamma must have shape [4], found [3]",
        f32(3, 4),
        f32(3),
        f32(4));
    refused(
        cases, new LayerNorm(3, 1e-5), "cannot normalise 3 dimensions", f32(3, 4), f32(4), f32(4));
  }

  private static void norms(List<ErrorCase> cases) {
    String dims = "cannot normalise 3 dimensions";
    refused(cases, new RmsNorm(3, 0), dims, f32(3, 4), f32(4));
    refused(cases, new RmsNorm(1, 0), "gamma must have shape [4], found [3]", f32(3, 4), f32(3));
    refused(cases, new NormGrad(3, 0, true), dims, f32(3, 4), f32(4), f32(3, 4));
    refused(
        cases,
        new NormGrad(1, 0, false),
        "the gradient must have shape [3, 4], found [3]",
        f32(3, 4),
        f32(4),
        f32(3));
    Op groups = new GroupNorm(3, 0);
    refused(cases, groups, "needs [n, channels, ..]", f32(3), f32(3), f32(3));
    refused(cases, groups, "3 groups do not divide 4 channels", f32(2, 4), f32(4), f32(4));
    refused(cases, groups, "beta must have shape [6]", f32(2, 6), f32(6), f32(4));
  }

  private static void products(List<ErrorCase> cases) {
    refused(
        cases,
        new MatMul(),
        "inner dimensions differ, lhs [4, 8] rhs [7, 3]",
        f32(4, 8),
        f32(7, 3));
    refused(cases, new MatMul(), "needs rank 2 or more on both sides", f32(4), f32(4, 3));
    refused(cases, new MatMul(), "shapes [2] and [3] do not broadcast", f32(2, 4, 5), f32(3, 5, 6));
    Window window = Window.of(3);
    refused(
        cases,
        new Conv2d(window, 1),
        "the weight must have shape [8, 3, 3, 3], found [8, 4, 3, 3]",
        f32(2, 3, 9, 9),
        f32(8, 4, 3, 3));
    refused(
        cases,
        new Conv2d(window, 2),
        "2 groups do not divide 3 input and 8 output channels",
        f32(2, 3, 9, 9),
        f32(8, 1, 3, 3));
    refused(
        cases,
        new Conv2d(window, 1),
        "window of 3 (dilation 1) does not fit into 2 elements",
        f32(1, 3, 2, 9),
        f32(8, 3, 3, 3));
    refused(
        cases,
        new Conv2d(window, 1),
        "the bias must have shape [8], found [7]",
        f32(1, 3, 9, 9),
        f32(8, 3, 3, 3),
        f32(7));
    refused(cases, new Conv2d(window, 1), "the input must have rank 4", f32(3, 9, 9), f32(3));
    QuantizedConv2d bytes = new QuantizedConv2d(window, 1, 3, Quantization.of(DType.U8, 0));
    Values integers = Values.integers(0, 9);
    Input image = Input.of(DType.U8, Shape.of(1, 3, 9, 9), integers);
    Input weight = Input.of(DType.I8, Shape.of(8, 3, 3, 3), integers);
    Input unsigned = Input.of(DType.U8, Shape.of(8, 3, 3, 3), integers);
    Input biases = Input.of(DType.I32, Shape.of(8), integers);
    refused(cases, bytes, "takes U8 and I8, found F32", f32(1, 3, 9, 9), weight, f32(8), biases);
    refused(cases, bytes, "takes weights of I8", image, unsigned, f32(8), biases);
    refused(cases, bytes, "the scale must be F32[8], found F32[1]", image, weight, f32(1), biases);
    refused(cases, bytes, "the bias must be I32[8], found F32[8]", image, weight, f32(8), f32(8));
    refused(
        cases,
        new QuantizedAdd(1, -1, 1, 0, Quantization.of(DType.U8, 0)),
        "-1 is not of U8",
        image,
        image);
    refused(
        cases,
        new Conv2dInputGrad(window, 1, Shape.of(1, 3, 9, 9)),
        "the gradient must have shape [1, 8, 7, 7], found [1, 8, 7, 6]",
        f32(8, 3, 3, 3),
        f32(1, 8, 7, 6));
    refused(
        cases,
        new Conv2dWeightGrad(window, 1),
        "the gradient must have shape [1, 8, 7, 7], found [1, 8, 6, 7]",
        f32(1, 3, 9, 9),
        f32(1, 8, 6, 7));
    Input filter = f32(3, 4, 3, 3);
    refused(
        cases,
        new ConvTranspose2d(window, 2, 0, 0),
        "2 groups do not divide 3 input channels",
        f32(1, 3, 5, 5),
        filter);
    refused(
        cases,
        new ConvTranspose2d(window, 1, 0, 0),
        "the weight must have shape [2, 4, 3, 3], found [3, 4, 3, 3]",
        f32(1, 2, 5, 5),
        filter);
    refused(
        cases,
        new ConvTranspose2d(window.stride(2), 1, 0, 2),
        "output padding must be less than the stride, found 0x2 for stride 2x2",
        f32(1, 3, 5, 5),
        filter);
    refused(
        cases,
        new ConvTranspose2d(window.padding(2), 1, 0, 0),
        "an input of [2, 5] pixels gives no output",
        f32(1, 3, 2, 5),
        filter);
    refused(
        cases,
        new ConvTranspose2d(window, 1, 0, 0),
        "the bias must have shape [4], found [3]",
        f32(1, 3, 5, 5),
        filter,
        f32(3));
    Pool2d pool = new Pool2d(Pool2d.Fn.MAX, Window.of(2), true);
    refused(cases, pool, "window of 2 (dilation 1) does not fit", f32(1, 1, 1, 4));
    refused(cases, pool, "the input has no pixels", f32(1, 1, 0, 4));
    refused(
        cases,
        new Pool2d(Pool2d.Fn.AVG, Window.of(2).padding(2), true),
        "padding must be less than the kernel",
        f32(1, 1, 4, 4));
    refused(
        cases,
        new Pool2dGrad(pool),
        "the gradient must have shape [1, 1, 3, 3], found [1, 1, 4, 4]",
        f32(1, 1, 4, 4),
        f32(1, 1, 4, 4));
  }

  private static void blockProducts(List<ErrorCase> cases) {
    Op op = new BlockMatMul(4, 32);
    Input a = f32(2, 40);
    Input weights = of(DType.U8, 3, 2, 16);
    Input scales = f32(3, 2);
    refused(cases, new BlockMatMul(2, 32), "takes 4 or 8 bits, found 2", a, weights, scales);
    refused(
        cases,
        new BlockMatMul(4, 48),
        "needs blocks of a power of two from 16 on, found 48",
        a,
        weights,
        scales);
    refused(cases, op, "takes 3 to 4 inputs, found 2", a, weights);
    refused(cases, op, "needs a of rank 2 or more", f32(40), weights, scales);
    refused(cases, op, "needs a float dtype", of(DType.I32, 2, 40), weights, scales);
    refused(cases, op, "the weights must be U8", a, of(DType.I8, 3, 2, 16), scales);
    refused(
        cases,
        op,
        "the weights must have shape [3, 2, 16], found [3, 3, 16]",
        a,
        of(DType.U8, 3, 3, 16),
        scales);
    refused(cases, op, "dtypes differ", a, weights, of(DType.F16, 3, 2));
    refused(cases, op, "the scales must have shape [3, 2], found [2, 3]", a, weights, f32(2, 3));
    refused(cases, op, "the zero points must be U8", a, weights, scales, f32(3, 1));
    refused(
        cases,
        op,
        "the zero points must have shape [3, 1], found [3, 2]",
        a,
        weights,
        scales,
        of(DType.U8, 3, 2));
  }

  private static void volumes(List<ErrorCase> cases) {
    Window3d window = Window3d.of(2, 3, 3);
    Conv3d conv = new Conv3d(window, 1);
    refused(
        cases,
        conv,
        "the weight must have shape [8, 3, 2, 3, 3], found [8, 3, 3, 3, 3]",
        f32(1, 3, 4, 9, 9),
        f32(8, 3, 3, 3, 3));
    refused(
        cases,
        new Conv3d(window, 2),
        "2 groups do not divide 3 input and 8 output channels",
        f32(1, 3, 4, 9, 9),
        f32(8, 1, 2, 3, 3));
    refused(
        cases,
        new Conv3d(window.dilation(2), 1),
        "window of 2 (dilation 2) does not fit into 2 elements with padding 0 and 0",
        f32(1, 3, 2, 9, 9),
        f32(8, 3, 2, 3, 3));
    refused(
        cases,
        conv,
        "window of 3 (dilation 1) does not fit into 2 elements with padding 0 and 0",
        f32(1, 3, 4, 2, 9),
        f32(8, 3, 2, 3, 3));
    refused(
        cases,
        conv,
        "the bias must have shape [8], found [1, 8]",
        f32(1, 3, 4, 9, 9),
        f32(8, 3, 2, 3, 3),
        f32(1, 8));
    refused(cases, conv, "the input must have rank 5", f32(3, 4, 9, 9), f32(8, 3, 2, 3, 3));
    refused(cases, conv, "the weight must have rank 5", f32(1, 3, 4, 9, 9), f32(8, 3, 3, 3));
    refused(cases, conv, "takes 2 to 3 inputs, found 1", f32(1, 3, 4, 9, 9));
    Input whole = of(DType.I32, 1, 3, 4, 9, 9);
    refused(cases, conv, "needs a float dtype", whole, of(DType.I32, 8, 3, 2, 3, 3));
  }

  private static void attention(List<ErrorCase> cases) {
    Op op = new Attention(1, false);
    Input q = f32(2, 4, 3, 5);
    Input k = f32(2, 2, 6, 5);
    refused(cases, op, "takes 3 to 4 inputs, found 2", q, k);
    refused(cases, op, "dtypes differ", q, k, of(DType.F64, 2, 2, 6, 5));
    refused(cases, op, "needs queries [.., heads, length, size]", f32(3, 5), f32(6, 5), f32(6, 5));
    refused(cases, op, "batch or size differ", q, f32(1, 2, 6, 5), f32(1, 2, 6, 5));
    refused(cases, op, "batch or size differ", q, f32(2, 2, 6, 4), f32(2, 2, 6, 4));
    refused(
        cases,
        op,
        "4 heads of queries are not a multiple of 3 heads of keys",
        q,
        f32(2, 3, 6, 5),
        f32(2, 3, 6, 5));
    refused(cases, op, "needs one key or more", q, f32(2, 2, 0, 5), f32(2, 2, 0, 5));
    refused(cases, op, "values must be keys in number and heads", q, k, f32(2, 2, 5, 5));
    refused(cases, op, "the mask must broadcast to [2, 4, 3, 6]", q, k, k, f32(2, 2, 4, 3, 6));
    refused(cases, op, "shapes [2, 1] and [2, 4, 3, 6] do not", q, k, k, f32(2, 1));
    refused(cases, op, "dtypes differ", q, k, k, of(DType.BOOL, 3, 6));
    refused(
        cases,
        new AttentionWeights(1, true),
        "needs a float dtype",
        of(DType.I32, 1, 2, 3),
        of(DType.I32, 1, 2, 3));
    refused(
        cases,
        new AttentionGrad(1, false),
        "the gradient must have shape [2, 4, 3, 5], found [2, 4, 3, 6]",
        q,
        k,
        k,
        q,
        f32(2, 4, 3, 6));
  }

  private static void indices(List<ErrorCase> cases) {
    for (DType dtype : new DType[] {DType.I64, DType.I32}) {
      for (double bad : new double[] {5, -1, 1 << 30}) {
        Input index = index(dtype, new double[] {0, 4, bad}, 3);
        String message = "index " + (long) bad + " is out of range, expected 0 to 4";
        outOfRange(cases, new Gather(0), message, f32(5, 3), index);
        outOfRange(cases, new Gather(1), message, f32(2, 5), index);
        outOfRange(cases, new GatherGrad(0, Shape.of(5, 3)), message, index, f32(3, 3));
        Input lane = index(dtype, new double[] {0, 4, bad}, 3, 1);
        outOfRange(cases, new TakeAlong(1), message, f32(3, 5), lane);
        outOfRange(cases, new TakeAlongGrad(1, Shape.of(3, 5)), message, lane, f32(3, 1));
      }
    }
    Input zero = index(DType.I64, new double[] {0}, 2);
    outOfRange(cases, new Gather(0), "index 0 is out of range", f32(0, 3), zero);
    refused(cases, new Gather(0), "indices must be I64 or I32", f32(5), f32(2));
    refused(cases, new Gather(1), "axis 1 is out of range", f32(5), zero);
    refused(cases, new TakeAlong(0), "the index must have rank 2", f32(5, 3), zero);
    refused(
        cases,
        new TakeAlong(0),
        "the index must have shape [2, 3], found [2, 4]",
        f32(5, 3),
        index(DType.I64, new double[] {0}, 2, 4));
  }

  private static void shapes(List<ErrorCase> cases) {
    refused(
        cases,
        new Concat(0),
        "shapes [2, 3] and [2, 4] differ outside of axis 0",
        f32(2, 3),
        f32(2, 4));
    refused(cases, new Concat(0), "dtypes differ", f32(2), of(DType.F64, 2));
    refused(cases, new Concat(2), "axis 2 is out of range", f32(2, 3));
    refused(
        cases,
        new Pad(List.of(1L), List.of(1L), List.of(0L), 0),
        "needs 2 amounts for shape [2, 3]",
        f32(2, 3));
    refused(
        cases,
        new Pad(List.of(-1L), List.of(1L), List.of(0L), 0),
        "amounts must not be negative",
        f32(2));
    SgdStep sgd = new SgdStep(0.9, false, 0);
    refused(
        cases, sgd, "the gradient must have shape [2], found [3]", f32(2), f32(3), f32(2), f32(1));
    refused(cases, sgd, "[lr] must have shape [1], found []", f32(2), f32(2), f32(2), f32());
  }

  private static void views(List<ErrorCase> cases) {
    refused(cases, new View.Reshape(Shape.of(7)), "[2, 3] has 6 elements, [7] has 7", f32(2, 3));
    refused(cases, new View.Permute(List.of(0, 0)), "axes [0, 0] are not a permutation", f32(2, 3));
    refused(cases, new View.Expand(Shape.of(2, 4)), "shapes", f32(2, 3));
    refused(cases, new View.Expand(Shape.of(3)), "[2, 3] does not broadcast to [3]", f32(2, 3));
    refused(
        cases,
        new View.Slice(0, 1, 3, 1),
        "start 1, count 3, step 1 do not fit axis 0 of shape [3]",
        f32(3));
    refused(cases, new View.Slice(0, -1, 1, 1), "start -1", f32(3));
    refused(cases, new View.Slice(0, 0, 2, 0), "start 0, count 2, step 0", f32(3));
    refused(cases, new View.Slice(0, 1, Long.MAX_VALUE, 2), "start 1", f32(3));
    refused(cases, new View.Flip(1), "axis 1 is out of range", f32(3));
  }
}
