package io.quern.onnx;

import io.quern.Tensor;
import io.quern.onnx.QuantizedOps.Quantized;
import io.quern.onnx.QuantizedOps.Target;
import java.util.function.UnaryOperator;

/**
 * Operators of com.microsoft on quantised tensors that are functions of the numbers that bytes
 * stand for: the result is the byte nearest to the function in F32.
 */
final class QLinearOps {
  private QLinearOps() {}

  /** Entries of the table's domain com.microsoft. */
  static void addTo(OpTable table) {
    table.value("QLinearMul", 1, QLinearOps::product);
    table.value("QLinearConcat", 1, QLinearOps::concat);
    table.value("QLinearSigmoid", 1, call -> mapped(call, Tensor::sigmoid));
    table.value("QLinearLeakyRelu", 1, QLinearOps::leaky);
    table.value("QLinearSoftmax", 1, QLinearOps::softmax);
    table.value("QLinearAveragePool", 1, call -> pooled(call, x -> PoolOps.averagePool(call, x)));
    table.value(
        "QLinearGlobalAveragePool",
        1,
        call -> pooled(call, x -> ReduceOps.mean(x, PoolOps.spatial(x), true)));
  }

  /** A function of a tensor, whose scale and zero point and those of the result come after it. */
  private static OnnxValue mapped(Call call, UnaryOperator<Tensor> function) {
    return new Target(call, 3).nearest(function.apply(new Quantized(call, 0).floats()));
  }

  private static OnnxValue leaky(Call call) {
    double alpha = call.number("alpha", 0.01f);
    return mapped(call, x -> x.relu().sub(x.neg().relu().mul(alpha)));
  }

  /** Up to version 12 of ONNX, the axis and all after it are one. */
  private static OnnxValue softmax(Call call) {
    boolean flat = call.integer("opset", 13) < 13;
    Tensor x = call.in(0);
    int axis = call.axis(call.integer("axis", flat ? 1 : -1), x.rank());
    long rows = x.shape().slice(0, axis).size();
    return mapped(
        call,
        floats ->
            flat
                ? floats.reshape(rows, x.size() / Math.max(1, rows)).softmax(1).reshape(x.shape())
                : floats.softmax(axis));
  }

  /** Products are exact; their scales are those of the inputs by that of the result. */
  private static OnnxValue product(Call call) {
    Quantized a = new Quantized(call, 0);
    Quantized b = new Quantized(call, 3);
    Target y = new Target(call, 6);
    Tensor product =
        IntegerProducts.centred(a.tensor(), a.zero())
            .mul(IntegerProducts.centred(b.tensor(), b.zero()));
    Tensor scale =
        call.atOnce(
            () -> QuantizedOps.scale(a.scale(), b.scale(), y.scale()),
            a.scale(),
            b.scale(),
            y.scale());
    return y.quantized(product.mul(scale));
  }

  /** Scale and zero point of the result come first; each input has its own. */
  private static OnnxValue concat(Call call) {
    int count = (call.count() - 2) / 3;
    if (count < 1 || call.count() != 2 + 3 * count) {
      throw call.error(
          "%d inputs, expected a scale, a zero point, and three for each", call.count());
    }
    Tensor[] parts = new Tensor[count];
    for (int i = 0; i < count; i++) {
      parts[i] = new Quantized(call, 2 + 3 * i).floats();
    }
    int axis = call.axis(call.integer("axis"), parts[0].rank());
    return new Target(call, 0).nearest(Tensor.concat(axis, parts));
  }

  /** Poolings see channels before places. */
  private static OnnxValue pooled(Call call, UnaryOperator<Tensor> pooling) {
    if (!call.flag("channels_last", false)) {
      return mapped(call, pooling);
    }
    int rank = call.in(0).rank();
    int[] channelsLast = ShapeOps.moved(rank, 1, rank - 1);
    int[] channelsFirst = ShapeOps.moved(rank, rank - 1, 1);
    return mapped(call, x -> pooling.apply(x.permute(channelsFirst)).permute(channelsLast));
  }
}
