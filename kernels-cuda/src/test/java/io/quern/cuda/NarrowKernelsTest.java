package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.Op;
import io.quern.op.RmsNorm;
import io.quern.op.Softmax;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Floats of 16 bits: what has no kernel for them runs on that of F32, in recorded plans too. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class NarrowKernelsTest {
  private final Device device = Device.of("cuda");

  @ParameterizedTest
  @EnumSource(names = {"F16", "BF16"})
  void widenedStepsOfRecordedPlansKeepTheirMemory(DType dtype) {
    Compiled compiled =
        Quern.compile(
            device,
            in -> List.of(in.getFirst().cumSum(0).sum(1).cumSum(0)),
            List.of(new TensorSpec(dtype, Shape.of(4, 64))));
    assertThat(compiled.plan().kernels()).hasSize(3).allMatch(name -> name.endsWith("_widened"));
    assertThat(compiled.plan().fallbacks()).isEmpty();
    Tensor x = Tensor.full(0, dtype, device, 4, 64);
    Tensor[] in = {x};
    Tensor[] out = {Tensor.full(0, dtype, device, 4)};
    List<Tensor> others = new ArrayList<>();
    for (int value = 0; value < 6; value++) {
      x.copyFrom(Tensor.full(value, dtype, device, 4, 64));
      compiled.runInto(in, out);
      float sum = 64 * value;
      assertThat(out[0].to(DType.F32).toFloatArray())
          .containsExactly(sum, 3 * sum, 6 * sum, 10 * sum);
      for (int i = 0; i < 40; i++) {
        others.add(Tensor.full(7, DType.F32, device, 1 + i, 16));
      }
    }
    for (Tensor other : others) {
      assertThat(other.toFloatArray()).containsOnly(7);
    }
  }

  static List<Arguments> devices() {
    List<Device> devices = new ArrayList<>(List.of(Device.of("cuda")));
    if (StandIn.isUsed()) {
      devices.add(StandIn.withTensorCores());
    }
    return devices.stream()
        .flatMap(on -> Stream.of(DType.F16, DType.BF16).map(dtype -> Arguments.of(on, dtype)))
        .toList();
  }

  /** Of all magnitudes, with ties, infinities and NaN. */
  private static Tensor values(long seed, int count) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      int bits = random.nextInt();
      values[i] =
          switch (i % 4) {
            case 0 -> Float.intBitsToFloat(bits);
            case 1 -> Float.intBitsToFloat((bits & 0xffff0000) | 0x8000);
            case 2 -> Float.float16ToFloat((short) bits) * (1 + 0x1p-11f);
            default -> Float.float16ToFloat((short) bits);
          };
    }
    return Tensor.of(values);
  }

  private static void requireSame(Tensor found, Tensor expected) {
    assertThat(found.to(Device.reference()).to(DType.F32).contiguous().reshape(-1).toFloatArray())
        .isEqualTo(expected.to(DType.F32).contiguous().reshape(-1).toFloatArray());
  }

  @ParameterizedTest
  @MethodSource("devices")
  void castsRoundToNearestEven(Device on, DType dtype) {
    DType other = dtype == DType.F16 ? DType.BF16 : DType.F16;
    Tensor x = values(1, 4099).to(Device.reference());
    Tensor narrow = x.to(dtype);
    requireSame(x.to(on).to(dtype), narrow);
    requireSame(narrow.to(on).to(DType.F32), narrow);
    requireSame(narrow.to(on).to(other), narrow.to(other));
    requireSame(x.slice(0, 1, 4090).to(on).to(dtype), narrow.slice(0, 1, 4090));
    requireSame(
        x.to(on).slice(0, 0, 4096).reshape(64, 64).transpose(0, 1).to(dtype),
        narrow.slice(0, 0, 4096).reshape(64, 64).transpose(0, 1));
  }

  /** Runs, parts of them, rows and single elements; two runs of a thread where they are long. */
  @ParameterizedTest
  @MethodSource("devices")
  void chains(Device on, DType dtype) {
    int length = 1 << 20;
    for (int count : new int[] {3, 8, 4095, length, length + 2053, length + 4101}) {
      Tensor x = values(2, count).to(Device.reference()).to(dtype);
      requireSame(x.to(on).neg(), x.neg());
    }
    Tensor x = values(3, 64 * 96).to(Device.reference()).to(dtype).reshape(64, 96);
    Tensor y = values(4, 96).to(Device.reference()).to(dtype);
    Tensor there = x.to(on);
    requireSame(there.add(y.to(on)), x.add(y));
    requireSame(there.mul(y.to(on).slice(0, 5, 6)), x.mul(y.slice(0, 5, 6)));
    requireSame(
        there.slice(1, 3, 93).sub(y.to(on).slice(0, 0, 90)),
        x.slice(1, 3, 93).sub(y.slice(0, 0, 90)));
    requireSame(there.add(there.slice(1, 7, 8)), x.add(x.slice(1, 7, 8)));
    requireSame(there.reshape(-1).slice(0, 1, 802).neg(), x.reshape(-1).slice(0, 1, 802).neg());
  }

  /** Rows that registers hold or not, of whole runs or not, at multiples of 16 bytes or not. */
  @ParameterizedTest
  @MethodSource("devices")
  void rowsHaveTheBitsOfF32Rounded(Device on, DType dtype) {
    for (int length : new int[] {1, 3, 4, 36, 127, 132, 1024, 1028, 4097, 16_380, 40_000, 40_001}) {
      int rows = length > 1024 ? 3 : 37;
      Tensor x = Rng.of(1).normal(rows, length).to(on).to(dtype);
      Tensor gamma = Rng.of(2).normal(length).to(on).to(dtype);
      // Softmax of the longest rows has another kernel in F32 on some devices.
      if (length < 40_000 || (StandIn.isUsed() && on.equals(Device.of("cuda")))) {
        requireRounded(new Softmax(1), x);
        requireRounded(new LogSoftmax(1), x);
      }
      requireRounded(new LayerNorm(1, 1e-5), x, gamma, gamma);
      requireRounded(new RmsNorm(1, 1e-5), x, gamma);
      Tensor shifted =
          x.reshape(-1).slice(0, 1, 1 + (rows - 1L) * length).reshape(rows - 1, length);
      requireRounded(new RmsNorm(1, 1e-5), shifted, gamma);
    }
  }

  private static void requireRounded(Op op, Tensor... inputs) {
    DType dtype = inputs[0].dtype();
    Tensor[] wide = Stream.of(inputs).map(each -> each.to(DType.F32)).toArray(Tensor[]::new);
    requireSame(Tensor.apply(op, inputs), Tensor.apply(op, wide).to(dtype).to(Device.reference()));
  }
}
