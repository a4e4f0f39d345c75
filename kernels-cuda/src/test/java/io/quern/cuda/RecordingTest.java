package io.quern.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.TensorSpec;
import io.quern.plan.Compiled;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/** Plans that run again and again on the same memory are handed over as one recording. */
@EnabledIf(
    value = "io.quern.cuda.StandIn#isReady",
    disabledReason = "there is no GPU, and no g++ on x86-64 to build a stand-in")
class RecordingTest {
  private static final TensorSpec SQUARE = new TensorSpec(DType.F32, Shape.of(4, 4));

  private final Device device = Device.of("cuda");

  private Tensor filled(int value) {
    return Tensor.full(value, DType.F32, device, 4, 4);
  }

  @Test
  void repeatedRunsSeeNewValues() {
    Tensor weight = filled(1);
    Compiled compiled =
        Quern.compile(
            device,
            in -> List.of(in.getFirst().matmul(weight).matmul(in.getFirst()).sum(0)),
            List.of(SQUARE));
    assertThat(compiled.plan().steps()).isGreaterThan(2);
    Tensor x = filled(0);
    Tensor[] in = {x};
    Tensor[] out = {Tensor.full(0, DType.F32, device, 4)};
    for (int value = 0; value < 6; value++) {
      x.copyFrom(filled(value));
      weight.copyFrom(filled(value + 1));
      compiled.runInto(in, out);
      // Each element of the products is 4 x (value + 1), then 4 x that x value; four are summed up.
      assertThat(out[0].toFloatArray()).containsOnly(4 * 4 * 4 * value * (value + 1) * value);
    }
  }

  @Test
  void otherBuffersAreFollowed() {
    Compiled compiled =
        Quern.compile(
            device, in -> List.of(in.getFirst().matmul(in.getFirst()).sum(0)), List.of(SQUARE));
    for (int value = 1; value < 12; value++) {
      Tensor x = filled(value);
      assertThat(compiled.run(x).toFloatArray()).containsOnly(4 * 4 * value * value);
      if (value % 3 == 0) {
        x.close();
      }
    }
  }

  @Test
  void indicesOfRecordedRunsAreChecked() {
    Tensor rows = filled(7);
    Compiled compiled =
        Quern.compile(
            device,
            in -> List.of(rows.gather(0, in.getFirst()).matmul(rows)),
            List.of(new TensorSpec(DType.I64, Shape.of(2))));
    Tensor index = Tensor.full(0, DType.I64, device, 2);
    Tensor[] in = {index};
    Tensor[] out = {Tensor.full(0, DType.F32, device, 2, 4)};
    for (int run = 0; run < 6; run++) {
      int value = run < 3 ? run : run + 1;
      index.copyFrom(Tensor.full(value, DType.I64, device, 2));
      if (run < 3) {
        compiled.runInto(in, out);
        assertThat(out[0].toFloatArray()).containsOnly(4 * 7 * 7);
      } else {
        assertThatThrownBy(() -> compiled.runInto(in, out))
            .isInstanceOf(IndexOutOfBoundsException.class)
            .hasMessage("gather: index " + value + " is out of range, expected 0 to 3");
      }
    }
    index.copyFrom(Tensor.full(3, DType.I64, device, 2));
    compiled.runInto(in, out);
    assertThat(out[0].toFloatArray()).containsOnly(4 * 7 * 7);
  }

  @Test
  void argumentsMayTakeTurns() {
    Compiled compiled =
        Quern.compile(
            device, in -> List.of(in.getFirst().matmul(in.getFirst()).sum(0)), List.of(SQUARE));
    Tensor[] out = {Tensor.full(0, DType.F32, device, 4)};
    Tensor[] takingTurns = {filled(1), filled(2), filled(3), filled(4), filled(5)};
    for (int run = 0; run < 40; run++) {
      int turn = run % (run < 20 ? 3 : 5);
      compiled.runInto(new Tensor[] {takingTurns[turn]}, out);
      assertThat(out[0].toFloatArray()).containsOnly(4 * 4 * (turn + 1) * (turn + 1));
    }
  }

  /** Memory that a recording uses besides its operands is not given to tensors. */
  @Test
  void recordedRunsLeaveOtherTensorsAlone() {
    TensorSpec spec = new TensorSpec(DType.F32, Shape.of(1 << 17));
    Compiled compiled =
        Quern.compile(
            device, in -> List.of(in.getFirst().sum(), in.getFirst().neg().sum()), List.of(spec));
    assertThat(compiled.with().plan().kernels()).contains("reduce_rows_sum_f32_parts");
    Compiled apart = compiled.with();
    Tensor x = Tensor.full(2, DType.F32, device, 1 << 17);
    Tensor[] out = {Tensor.full(0, DType.F32, device), Tensor.full(0, DType.F32, device)};
    for (int run = 0; run < 3; run++) {
      apart.runInto(new Tensor[] {x}, out);
    }
    List<Tensor> others = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      others.add(Tensor.full(7, DType.F32, device, 1 + i % 64));
    }
    apart.runInto(new Tensor[] {x}, out);
    for (Tensor other : others) {
      assertThat(other.toFloatArray()).containsOnly(7);
    }
    assertThat(out[0].toFloatArray()).containsExactly(1 << 18);
    assertThat(out[1].toFloatArray()).containsExactly(-(1 << 18));
  }

  @Test
  void stepsOnTheHostAreNotRecorded() {
    Compiled compiled =
        Quern.compile(
            device,
            in ->
                List.of(in.getFirst().to(DType.I16).add(in.getFirst().to(DType.I16)).to(DType.F32)),
            List.of(SQUARE));
    assertThat(compiled.plan().kernels()).contains("reference_on_host");
    Tensor x = filled(3);
    Tensor[] out = {filled(0)};
    for (int run = 0; run < 4; run++) {
      x.copyFrom(filled(run));
      compiled.runInto(new Tensor[] {x}, out);
      assertThat(out[0].toFloatArray()).containsOnly(2 * run);
    }
  }
}
