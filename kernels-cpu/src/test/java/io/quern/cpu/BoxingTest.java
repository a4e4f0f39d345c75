package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.Device;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.conformance.Allocations;
import io.quern.grad.Tape;
import io.quern.op.AdamStep;
import io.quern.op.Attention;
import io.quern.op.AttentionGrad;
import io.quern.op.Binary;
import io.quern.op.BlockMatMul;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.FusedReduce;
import io.quern.op.GroupNorm;
import io.quern.op.LayerNorm;
import io.quern.op.LogSoftmax;
import io.quern.op.MatMul;
import io.quern.op.NormGrad;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Reduce;
import io.quern.op.RmsNorm;
import io.quern.op.ScalarProgram;
import io.quern.op.Softmax;
import io.quern.op.SoftmaxGrad;
import io.quern.op.Unary;
import io.quern.op.Window;
import io.quern.runtime.Workers;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Compiled kernels keep their vectors in registers: where one is an object, a call allocates in
 * proportion to its work. An op at large allocates a few small objects.
 */
class BoxingTest {
  private static final long OP_BYTES = 16 << 10;

  private static int threads;

  @BeforeAll
  static void computeOnThisThread() {
    threads = Workers.shared().threads();
    Workers.setThreads(1);
  }

  @AfterAll
  static void computeOnAll() {
    Workers.setThreads(threads);
  }

  /** An op and what it is applied to; about a million elements or multiply-adds each. */
  record Work(Op op, List<Tensor> inputs) {
    @Override
    public String toString() {
      return op.name();
    }
  }

  static Stream<Work> work() {
    Rng rng = Rng.of(1);
    Tensor matrix = rng.normal(128, 128);
    Tensor images = rng.normal(8, 8, 28, 28);
    Tensor weight = rng.normal(8, 8, 3, 3);
    Tensor packed = rng.uniform(Shape.of(1000, 32, 16), 0, 256).to(DType.U8);
    Tensor wide = rng.normal(4, 32, 14, 14);
    Tensor wideWeight = rng.normal(32, 32, 3, 3);
    Tensor rows = rng.normal(1024, 1000);
    Tensor classes = rng.normal(8192, 10);
    Tensor heads = rng.normal(2, 200, 24);
    Tensor gamma = rng.normal(1000);
    Tensor factors = Tensor.of(new float[] {1e-3f, 0.1f, 0.1f});
    Window window = Window.of(3).padding(1);
    Pool2d pool = new Pool2d(Pool2d.Fn.MAX, Window.of(2).stride(2), false);
    return Stream.of(
        new Work(new MatMul(), List.of(matrix, matrix)),
        new Work(new MatMul(), List.of(matrix, matrix.transpose(0, 1))),
        new Work(new MatMul(), List.of(rng.normal(1, 1000), rng.normal(1000, 1000))),
        new Work(new MatMul(), List.of(rows, rng.normal(1000, 1))),
        new Work(
            new BlockMatMul(4, 32),
            List.of(rng.normal(1, 1024), packed, rng.uniform(Shape.of(1000, 32), 0, 1))),
        new Work(new Conv2d(window, 1), List.of(images, weight)),
        new Work(new Conv2dInputGrad(window, 1, images.shape()), List.of(weight, images)),
        new Work(new Conv2dWeightGrad(window, 1), List.of(images, images)),
        new Work(new Conv2d(window, 1), List.of(wide, wideWeight)),
        new Work(new Conv2dInputGrad(window, 1, wide.shape()), List.of(wideWeight, wide)),
        new Work(new Conv2dWeightGrad(window, 1), List.of(wide, wide)),
        new Work(new Conv2d(window.stride(2), 32), List.of(wide, rng.normal(32, 1, 3, 3))),
        new Work(new Conv2d(window.stride(2), 8), List.of(images, rng.normal(8, 1, 3, 3))),
        new Work(pool, List.of(images)),
        new Work(pool, List.of(wide)),
        new Work(new Pool2dGrad(pool), List.of(images, rng.normal(8, 8, 14, 14))),
        new Work(new Pool2dGrad(pool), List.of(wide, rng.normal(4, 32, 7, 7))),
        new Work(new Unary(Unary.Fn.EXP), List.of(rows)),
        new Work(new Unary(Unary.Fn.TANH), List.of(rows)),
        new Work(new Unary(Unary.Fn.GELU), List.of(rows)),
        new Work(new Reduce(Reduce.Fn.SUM, List.of(1), false), List.of(rows)),
        new Work(new Reduce(Reduce.Fn.SUM, List.of(0, 2, 3), false), List.of(images)),
        new Work(new Reduce(Reduce.Fn.SUM, List.of(0), false), List.of(classes)),
        new Work(distance(1), List.of(rows, rows)),
        new Work(distance(0), List.of(classes, classes)),
        new Work(new Softmax(1), List.of(rows)),
        new Work(new LogSoftmax(1), List.of(rows)),
        new Work(new Softmax(1), List.of(classes)),
        new Work(new LogSoftmax(1), List.of(classes)),
        new Work(new SoftmaxGrad(1, true), List.of(rows, rows)),
        new Work(new SoftmaxGrad(1, false), List.of(rows, rows)),
        new Work(new LayerNorm(1, 1e-5), List.of(rows, gamma, gamma)),
        new Work(new RmsNorm(1, 1e-5), List.of(rows, gamma)),
        new Work(new GroupNorm(10, 1e-5), List.of(rows, gamma, gamma)),
        new Work(new NormGrad(1, 1e-5, true), List.of(rows, gamma, rows)),
        new Work(new Attention(0.2, true), List.of(heads, heads, heads)),
        new Work(new AttentionGrad(0.2, true), List.of(heads, heads, heads, heads, heads)),
        new Work(
            new AdamStep(0.9, 0.99, 1e-8, 0, false), List.of(rows, rows, rows, rows, factors)));
  }

  private static FusedReduce distance(int axis) {
    ScalarProgram program =
        new ScalarProgram(
            2,
            List.of(
                new ScalarProgram.Apply2(Binary.Fn.SUB, 0, 1),
                new ScalarProgram.Apply1(Unary.Fn.SQUARE, 2)));
    return new FusedReduce(program, new Reduce(Reduce.Fn.SUM, List.of(axis), false));
  }

  @ParameterizedTest
  @MethodSource("work")
  void warmKernelAllocatesNoVectors(Work work) {
    assertThat(Device.cpu().name()).isEqualTo("cpu");
    Tensor[] inputs = work.inputs().toArray(Tensor[]::new);
    Allocations.requireAtMost(
        OP_BYTES,
        () ->
            Tape.withoutRecording(
                () -> {
                  Tensor.apply(work.op(), inputs).close();
                  return null;
                }));
  }
}
