package io.quern.backend;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Shape;
import io.quern.op.Binary;
import io.quern.op.Fill;
import io.quern.op.Layout;
import io.quern.op.Op;
import io.quern.op.TensorSpec;
import io.quern.op.Unary;
import java.util.List;
import org.junit.jupiter.api.Test;

class KernelKeyTest {
  private static final Op NEG = new Unary(Unary.Fn.NEG);

  private static KernelKey key(Op op, DType dtype, Layout input) {
    return new KernelKey(
        op, new DType[] {dtype, dtype}, new Layout[] {input, Layout.contiguous(input.shape())}, 1);
  }

  @Test
  void outputsThatAreGivenBySpecLieInRowMajorOrder() {
    Layout input = Layout.contiguous(Shape.of(4, 3)).permute(1, 0);
    TensorSpec output = new TensorSpec(DType.F64, Shape.of(3, 4));
    KernelKey key =
        KernelKey.of(NEG, new DType[] {DType.F32}, new Layout[] {input}, List.of(output, output));
    DType[] dtypes = {DType.F32, DType.F64, DType.F64};
    Layout plain = Layout.contiguous(Shape.of(3, 4));
    assertThat(key).isEqualTo(new KernelKey(NEG, dtypes, new Layout[] {input, plain, plain}, 1));
  }

  @Test
  void offsetsDoNotCount() {
    Layout base = Layout.contiguous(Shape.of(4, 3));
    KernelKey first = key(NEG, DType.F32, base.slice(0, 0, 2, 1));
    KernelKey second = key(NEG, DType.F32, base.slice(0, 2, 2, 1));
    assertThat(first).isEqualTo(second).hasSameHashCodeAs(second);
  }

  @Test
  void allElseCounts() {
    Layout base = Layout.contiguous(Shape.of(4, 4));
    KernelKey key = key(NEG, DType.F32, base);
    assertThat(key)
        .isNotEqualTo(key(new Unary(Unary.Fn.ABS), DType.F32, base))
        .isNotEqualTo(key(NEG, DType.F64, base))
        .isNotEqualTo(key(NEG, DType.F32, base.permute(1, 0)))
        .isNotEqualTo(key(NEG, DType.F32, Layout.contiguous(Shape.of(16))));
  }

  @Test
  void namesInputsAndOutputs() {
    assertThat(key(NEG, DType.F32, Layout.contiguous(Shape.of(2, 3))))
        .hasToString("neg(F32[2, 3]) -> F32[2, 3]");
    TensorSpec spec = new TensorSpec(DType.I8, Shape.of(5));
    KernelKey fill =
        new KernelKey(
            new Fill(spec, 1),
            new DType[] {DType.I8},
            new Layout[] {Layout.contiguous(spec.shape())},
            0);
    assertThat(fill).hasToString("fill() -> I8[5]");
  }

  @Test
  void tableTakesTheFirstKernelThatFits() {
    Kernel special = named("special");
    Kernel general = named("general");
    KernelTable table =
        new KernelTable()
            .add(Unary.class, "special", key -> key.all(DType.F32) ? special : null)
            .add(Unary.class, "general", key -> general);
    Layout layout = Layout.contiguous(Shape.of(3));
    assertThat(table.find(key(NEG, DType.F32, layout))).contains(special);
    assertThat(table.find(key(NEG, DType.F64, layout))).contains(general);
    assertThat(table.find(key(new Binary(Binary.Fn.ADD), DType.F32, layout))).isEmpty();
    assertThat(table.listing()).containsEntry("Unary", List.of("special", "general"));
  }

  private static Kernel named(String name) {
    return new Kernel() {
      @Override
      public void run(Operands operands) {}

      @Override
      public String name() {
        return name;
      }
    };
  }
}
