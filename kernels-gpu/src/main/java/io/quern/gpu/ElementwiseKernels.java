package io.quern.gpu;

import io.quern.DType;
import io.quern.backend.Kernel;
import io.quern.backend.KernelKey;
import io.quern.op.Cast;
import io.quern.op.Fill;
import io.quern.op.Layout;
import io.quern.runtime.Rounding;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Functions of the source {@code elementwise}: a thread for each element, inputs that lie anyhow.
 */
final class ElementwiseKernels {
  private static final String FILE = "elementwise";
  private static final int THREADS = 256;

  private ElementwiseKernels() {}

  /**
   * The function named after the op and its inputs, such as {@code pow_f32}, where there is one.
   */
  static @Nullable Kernel named(GpuContext context, KernelKey key) {
    String name = key.op().name() + "_" + key.dtype(0).name().toLowerCase(Locale.ROOT);
    return context.function(FILE, name) == 0 ? null : create(context, key, name);
  }

  static @Nullable Kernel where(GpuContext context, KernelKey key) {
    return create(context, key, "where_" + key.dtype(1).bytes());
  }

  static @Nullable Kernel cast(GpuContext context, KernelKey key) {
    DType from = key.dtype(0);
    DType to = ((Cast) key.op()).dtype();
    return from == to
        ? create(context, key, "copy_" + to.bytes())
        : create(context, key, "cast", number(to), number(from));
  }

  /** The constant of {@code elementwise.cu}. */
  private static int number(DType dtype) {
    return switch (dtype) {
      case F64 -> 0;
      case F32 -> 1;
      case F16 -> 2;
      case BF16 -> 3;
      case I64 -> 4;
      case I32 -> 5;
      case I16 -> 6;
      case I8 -> 7;
      case U64 -> 8;
      case U32 -> 9;
      case U16 -> 10;
      case U8 -> 11;
      case BOOL -> 12;
    };
  }

  static @Nullable Kernel fill(GpuContext context, KernelKey key) {
    Fill fill = (Fill) key.op();
    double value = fill.value();
    return switch (fill.spec().dtype()) {
      case F64 -> fill(context, key, Double.doubleToRawLongBits(value));
      case F32 -> fill(context, key, Float.floatToRawIntBits((float) value));
      case F16 -> fill(context, key, Rounding.toF16(value));
      case BF16 -> fill(context, key, Rounding.toBF16(value));
      case I64 -> fill(context, key, (long) value);
      case I32 -> fill(context, key, (int) value);
      case BOOL -> fill(context, key, value != 0 ? 1 : 0);
      default -> null;
    };
  }

  private static Kernel fill(GpuContext context, KernelKey key, long bits) {
    long count = key.output().shape().size();
    String name = "fill_" + key.dtype(0).bytes();
    Parameters parameters = new Parameters().operand(0).number(bits).number(count);
    return new LaunchKernel(
        context, name, Launch.of(context, FILE, name, Grid.covering(count, THREADS), parameters));
  }

  private static @Nullable Kernel create(
      GpuContext context, KernelKey key, String name, long... numbers) {
    List<Layout> layouts = new ArrayList<>();
    for (int i = 0; i < key.inputs(); i++) {
      layouts.add(key.layout(i).expand(key.output().shape()));
    }
    return Walk.over(layouts)
        .map(
            walk -> {
              Parameters parameters = new Parameters().operand(key.inputs());
              for (int i = 0; i < key.inputs(); i++) {
                parameters.operand(i);
              }
              for (long number : numbers) {
                parameters.number(number);
              }
              parameters.struct(walk.words());
              return new LaunchKernel(
                  context,
                  name,
                  Launch.of(context, FILE, name, Grid.covering(walk.count(), THREADS), parameters));
            })
        .orElse(null);
  }
}
