package io.quern.onnx;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.Compare;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;

/** Operators that make tensors: constants, ranges, random numbers. */
final class CreationOps {
  private CreationOps() {}

  static void addTo(OpTable table) {
    table.value("Constant", 1, CreationOps::constant);
    table.value("ConstantOfShape", 9, CreationOps::constantOfShape);
    table.op("Range", 11, CreationOps::range);
    table.op("EyeLike", 9, CreationOps::eye);
    table.random("RandomNormal", 1, call -> normal(call, shape(call), DType.F32));
    table.random("RandomUniform", 1, call -> uniform(call, shape(call), DType.F32));
    table.random(
        "RandomNormalLike", 1, call -> normal(call, call.in(0).shape(), call.in(0).dtype()));
    table.random(
        "RandomUniformLike", 1, call -> uniform(call, call.in(0).shape(), call.in(0).dtype()));
    table.random("Bernoulli", 15, CreationOps::bernoulli);
    table.random("Multinomial", 7, CreationOps::multinomial);
  }

  private static OnnxValue constant(Call call) {
    OnnxValue value = call.constant("value");
    if (value == null) {
      value = call.constant("sparse_value");
    }
    if (value != null) {
      return value;
    }
    if (call.hasAttribute("value_float")) {
      return OnnxValue.of(Tensor.scalar((float) call.number("value_float", 0)));
    }
    if (call.hasAttribute("value_int")) {
      return OnnxValue.of(OnnxValue.longs(Shape.scalar(), call.integer("value_int")));
    }
    if (call.hasAttribute("value_string")) {
      return new OnnxValue.Strings(Shape.scalar(), List.of(call.text("value_string", "")));
    }
    float[] floats = call.numbers("value_floats");
    if (floats != null) {
      return OnnxValue.of(Tensor.of(floats, floats.length));
    }
    long[] longs = call.integers("value_ints");
    if (longs != null) {
      return OnnxValue.of(OnnxValue.longs(Shape.of(longs.length), longs));
    }
    if (call.hasAttribute("value_strings")) {
      List<String> texts = call.texts("value_strings");
      return new OnnxValue.Strings(Shape.of(texts.size()), texts);
    }
    throw call.error("has no value");
  }

  private static OnnxValue constantOfShape(Call call) {
    Shape shape = Shape.of(call.longs(0));
    OnnxValue value = call.constant("value");
    if (value == null) {
      return OnnxValue.of(Call.full(0, DType.F32, shape));
    }
    if (!(value instanceof OnnxValue.Dense(Tensor tensor, ElementType type))
        || tensor.size() != 1) {
      throw call.error("value must be one number, found %s", value.kind());
    }
    Tensor filled = tensor.reshape(Shape.scalar()).expand(shape).contiguous();
    return new OnnxValue.Dense(filled, type);
  }

  private static Tensor range(Call call) {
    DType dtype = call.in(0).dtype();
    if (dtype.isFloat()) {
      double start = call.doubles(0)[0];
      double step = call.doubles(2)[0];
      long count = (long) Math.max(0, Math.ceil((call.doubles(1)[0] - start) / step));
      return Tensor.arange(count, DType.F64).mul(step).add(start).to(dtype);
    }
    long start = call.longs(0)[0];
    long limit = call.longs(1)[0];
    long step = call.longs(2)[0];
    if (step == 0) {
      throw call.error("step must not be 0");
    }
    long count = Math.max(0, Math.ceilDiv(limit - start, step));
    Tensor steps = Tensor.arange(count, DType.I64).mul(OnnxValue.longs(Shape.scalar(), step));
    return steps.add(OnnxValue.longs(Shape.scalar(), start)).to(dtype);
  }

  private static Tensor eye(Call call) {
    Tensor x = call.in(0);
    DType dtype = call.hasAttribute("dtype") ? call.dtype(call.integer("dtype")) : x.dtype();
    Tensor rows = Tensor.arange(x.dim(0), DType.I64).reshape(x.dim(0), 1);
    Tensor columns = Tensor.arange(x.dim(1), DType.I64).reshape(1, x.dim(1));
    return columns.sub(rows).compare(Compare.Fn.EQ, (double) call.integer("k", 0)).to(dtype);
  }

  private static Shape shape(Call call) {
    return Shape.of(call.integersOf("shape"));
  }

  private static DType dtype(Call call, DType fallback) {
    return call.hasAttribute("dtype") ? call.dtype(call.integer("dtype")) : fallback;
  }

  private static OnnxValue[] normal(Call call, Shape shape, DType fallback) {
    return OnnxValue.all(
        Rng.of(call.seed())
            .normal(
                shape,
                call.number("mean", 0),
                call.number("scale", 1),
                dtype(call, fallback),
                Device.cpu()));
  }

  private static OnnxValue[] uniform(Call call, Shape shape, DType fallback) {
    return OnnxValue.all(
        Rng.of(call.seed())
            .uniform(
                shape,
                call.number("low", 0),
                call.number("high", 1),
                dtype(call, fallback),
                Device.cpu()));
  }

  private static OnnxValue[] bernoulli(Call call) {
    Tensor chance = call.in(0);
    Tensor drawn = Rng.of(call.seed()).uniform(chance.shape(), 0, 1, DType.F32, Device.cpu());
    return OnnxValue.all(
        drawn.compare(Compare.Fn.LT, chance.to(DType.F32)).to(dtype(call, chance.dtype())));
  }

  private static OnnxValue[] multinomial(Call call) {
    Tensor logs = call.known(0);
    int count = (int) call.integer("sample_size", 1);
    int rows = logs.shape().intDim(0);
    int classes = logs.shape().intDim(1);
    double[] weights = logs.softmax(1).toDoubleArray();
    SplittableRandom random = new SplittableRandom(call.seed());
    long[] chosen = new long[rows * count];
    for (int i = 0; i < chosen.length; i++) {
      double left = random.nextDouble();
      int c = 0;
      while (c < classes - 1 && (left -= weights[i / count * classes + c]) >= 0) {
        c++;
      }
      chosen[i] = c;
    }
    DType dtype = Objects.requireNonNull(dtype(call, DType.I32));
    return OnnxValue.all(OnnxValue.longs(Shape.of(rows, count), chosen).to(dtype));
  }
}
