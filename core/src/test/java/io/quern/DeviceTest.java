package io.quern;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.op.LayerNorm;
import io.quern.plan.Compiled;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Finding devices, and tensors on a device whose memory the process cannot address. */
class DeviceTest {
  private static final Device REMOTE = Device.of("remote");

  @Test
  void devicesAreFoundByName() {
    assertThat(Device.of("reference")).isSameAs(Device.reference()).hasToString("reference");
    assertThat(Device.of("remote:0")).isSameAs(REMOTE);
    assertThat(Device.of("remote:1")).isNotSameAs(REMOTE).hasToString("remote:1");
    assertThat(Device.available()).contains("reference", "remote", "remote:1");
    assertThat(Device.probes()).containsEntry("remote", "made for tests");
  }

  @Test
  void unknownDevicesAreRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Device.of("warp"))
        .withMessageStartingWith("device: no backend named warp, found [")
        .withMessageEndingWith("is its module on the class path?");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Device.of("remote:2"))
        .withMessage("device: remote:2 is not available, remote has 2 devices: made for tests");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Device.of("remote:4294967295"))
        .withMessage(
            "device: remote:4294967295 is not available, remote has 2 devices: made for tests");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Device.of("remote:-1"))
        .withMessage("device: expected a number after the colon, found remote:-1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Device.of("remote:"))
        .withMessage("device: expected a number after the colon, found remote:");
  }

  @Test
  void tensorsTravelBetweenDevices() {
    for (DType dtype : DType.values()) {
      Tensor here = Tensor.arange(24, DType.I64).compare(io.quern.op.Compare.Fn.GT, 3).to(dtype);
      Tensor view = here.reshape(2, 3, 4).permute(2, 0, 1).slice(0, 1, 4).flip(1);
      Tensor there = view.to(REMOTE);
      Tensor further = there.to(Device.of("remote:1"));
      Tensor back = further.slice(1, 1, 2).to(Device.reference());
      assertThat(there.device()).isSameAs(REMOTE);
      assertThat(there.spec()).isEqualTo(view.spec());
      assertThat(further.toByteArray()).isEqualTo(view.toByteArray());
      assertThat(back.toByteArray()).isEqualTo(view.slice(1, 1, 2).toByteArray());
      assertThat(back.to(Device.reference())).isSameAs(back);
    }
    assertThat(Tensor.zeros(0, 3).to(REMOTE).to(Device.reference()).shape())
        .isEqualTo(Shape.of(0, 3));
  }

  @Test
  void largeTensorsTravelInPieces() {
    byte[] bytes = new byte[(9 << 20) + 13];
    new Random(1).nextBytes(bytes);
    try (var _ = TensorScope.open()) {
      Tensor back = Tensor.ofBytes(bytes).to(REMOTE).to(Device.of("remote:1")).to(Device.cpu());
      assertThat(back.toByteArray()).isEqualTo(bytes);
    }
  }

  @Test
  void copyFromCrossesDevices() {
    Tensor target = Tensor.zeros(3);
    target.copyFrom(Tensor.arange(3, DType.F32).to(REMOTE));
    assertThat(target.toFloatArray()).containsExactly(0, 1, 2);
  }

  @Test
  void movingAClosedTensorSaysSo() {
    Tensor closed = Tensor.ones(2);
    closed.close();
    assertThatThrownBy(() -> closed.to(REMOTE))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("to: tensor F32[2] was used after close() at ");
  }

  @Test
  void viewsRunThroughCopiesWhereKernelsWantGaplessMemory() {
    Tensor a = Tensor.arange(6, DType.F32).reshape(2, 3).to(REMOTE).transpose(0, 1);
    Tensor sum = a.add(Tensor.ones(3, 2).to(REMOTE));
    assertThat(sum.device()).isSameAs(REMOTE);
    assertThat(sum.toFloatArray()).containsExactly(1, 4, 2, 5, 3, 6);
  }

  @Test
  void compositesWithoutKernelRunTheirDecomposition() {
    Tensor x = Tensor.arange(6, DType.F64).reshape(2, 3);
    Tensor gamma = Tensor.full(2, DType.F64, x.device(), 3);
    Tensor beta = Tensor.full(1, DType.F64, x.device(), 3);
    LayerNorm norm = new LayerNorm(1, 0);
    double[] expected = {1 - Math.sqrt(6), 1, 1 + Math.sqrt(6)};
    double[] here = Tensor.apply(norm, x, gamma, beta).toDoubleArray();
    double[] there =
        Tensor.apply(norm, x.to(REMOTE), gamma.to(REMOTE), beta.to(REMOTE)).toDoubleArray();
    for (int i = 0; i < 6; i++) {
      assertThat(here[i]).isCloseTo(expected[i % 3], org.assertj.core.data.Offset.offset(1e-12));
    }
    assertThat(there).isEqualTo(here);
    assertThat(REMOTE.fallbacks()).containsValue("its decomposition");
  }

  @Test
  void opsWithoutKernelRunOnTheHost() {
    Tensor a = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2).to(REMOTE);
    Tensor product = a.transpose(0, 1).flip(1).matmul(a);
    assertThat(product.device()).isSameAs(REMOTE);
    assertThat(product.toFloatArray()).containsExactly(6, 10, 10, 16);
    assertThat(REMOTE.fallbacks()).containsValue("the reference kernel");
    Compiled compiled =
        Quern.compile(
            REMOTE, in -> List.of(in.getFirst().flip(1).matmul(in.getFirst())), List.of(a.spec()));
    assertThat(compiled.run(a).toFloatArray()).containsExactly(5, 8, 13, 20);
    assertThat(compiled.plan().fallbacks()).hasSize(1).first().asString().startsWith("matmul");
    assertThat(compiled.plan().kernels()).contains("reference_on_host");
  }
}
