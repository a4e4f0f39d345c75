package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.ChildJvm;
import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.AttentionGrad;
import io.quern.op.Binary;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.Epilogue;
import io.quern.op.Fused;
import io.quern.op.FusedReduce;
import io.quern.op.Pool2d;
import io.quern.op.Reduce;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import io.quern.op.Window;
import io.quern.runtime.HostMemory;
import io.quern.runtime.MemoryPool;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Kernels that find no memory for their buffers give back those they got. */
class TightMemoryTest {
  /** Child process with a small budget: fills it up, then runs ops in the little that is left. */
  public static final class Squeezer {
    private static final HostMemory MEMORY = HostMemory.shared();

    /** The hyperbolic tangent of a sum. */
    private static final ScalarProgram CHAIN =
        new ScalarProgram(
            2,
            List.of(
                new ScalarProgram.Apply2(Binary.Fn.ADD, 0, 1),
                new ScalarProgram.Apply1(Unary.Fn.TANH, 2)));

    private Squeezer() {}

    public static void main(String[] args) {
      int failures = squeeze(ops(), 1 << 12) + squeeze(smallOps(), HostMemory.ALIGNMENT);
      System.out.println(failures > 10 ? "done" : "only " + failures + " ran out of memory");
    }

    /** Leaves no room for buffers of {@code least} bytes at first; how often it did not suffice. */
    private static int squeeze(Map<String, Supplier<Tensor>> ops, int least) {
      int failures = 0;
      for (Map.Entry<String, Supplier<Tensor>> op : ops.entrySet()) {
        op.getValue().get().close();
        Deque<MemoryPool.Block> large = fill(1 << 16);
        Deque<MemoryPool.Block> small = fill(1 << 12);
        Deque<MemoryPool.Block> rest = fill(least);
        for (int room = 0; room < 8 && !small.isEmpty() && !large.isEmpty(); room++) {
          long before = MEMORY.usage().live();
          try {
            op.getValue().get().close();
          } catch (OutOfMemoryError e) {
            failures++;
          }
          long after = MEMORY.usage().live();
          if (after != before) {
            System.out.println(op.getKey() + " keeps " + (after - before) + " bytes");
          }
          MEMORY.free((room % 2 == 0 ? small : large).pop());
        }
        small.forEach(MEMORY::free);
        large.forEach(MEMORY::free);
        rest.forEach(MEMORY::free);
      }
      return failures;
    }

    private static Deque<MemoryPool.Block> fill(int bytes) {
      Deque<MemoryPool.Block> blocks = new ArrayDeque<>();
      MemoryPool.Usage usage = MEMORY.usage();
      while (usage.limit() - usage.live() >= bytes) {
        try {
          blocks.push(MEMORY.allocate(bytes));
        } catch (OutOfMemoryError e) {
          break;
        }
        usage = MEMORY.usage();
      }
      return blocks;
    }

    private static Map<String, Supplier<Tensor>> ops() {
      Tensor image = Tensor.ones(2, 4, 24, 24);
      Tensor weight = Tensor.ones(8, 4, 3, 3);
      Window window = Window.of(3).padding(1);
      Tensor gradient = Tensor.ones(2, 8, 24, 24);
      Tensor table = Tensor.ones(3, 40_000);
      Tensor matrix = Tensor.ones(150, 150);
      Tensor turned = matrix.transpose(0, 1);
      Map<String, Supplier<Tensor>> ops = new LinkedHashMap<>();
      ops.put("conv2d", () -> Tensor.apply(new Conv2d(window, 1), image, weight));
      ops.put(
          "conv2d_input_grad",
          () ->
              Tensor.apply(
                  new Conv2dInputGrad(window, 1, Shape.of(2, 4, 24, 24)), weight, gradient));
      ops.put(
          "conv2d_weight_grad",
          () -> Tensor.apply(new Conv2dWeightGrad(window, 1), image, gradient));
      ops.put("matmul", () -> matrix.matmul(turned));
      ops.put("sum", () -> table.sum(1));
      ops.put("add", () -> matrix.add(turned));
      Tensor heads = Tensor.ones(2, 100, 40);
      ops.put("attention", () -> heads.attention(heads, heads, null, true));
      ops.put(
          "attention_grad",
          () -> {
            Tensor[] gradients =
                Tensor.applyAll(new AttentionGrad(1, false), heads, heads, heads, heads, heads);
            gradients[1].close();
            gradients[2].close();
            return gradients[0];
          });
      ops.put("softmax", () -> matrix.softmax(1));
      return ops;
    }

    private static Map<String, Supplier<Tensor>> smallOps() {
      Map<String, Supplier<Tensor>> ops = new LinkedHashMap<>();
      Tensor rows = Tensor.ones(3, 1000);
      Tensor columns = Tensor.ones(1000, 3).transpose(0, 1);
      ops.put("fused", () -> Tensor.apply(new Fused(CHAIN), rows, columns));
      Reduce sum = new Reduce(Reduce.Fn.SUM, List.of(1), false);
      ops.put("fused_reduce", () -> Tensor.apply(new FusedReduce(CHAIN, sum), rows, columns));
      Tensor wide = Tensor.ones(9, 150).transpose(0, 1);
      ops.put("matmul", () -> rows.slice(1, 0, 150).matmul(wide));
      Tensor small = Tensor.ones(9, 9).to(DType.F64);
      ops.put("matmul_f64", () -> small.matmul(small));
      Window window = Window.of(3).padding(1);
      Tensor channels = Tensor.ones(1, 3, 8, 8);
      Tensor filters = Tensor.ones(3, 1, 3, 3);
      Conv2d depthwise = new Conv2d(window, 3);
      ops.put("depthwise", () -> Tensor.apply(depthwise, channels, filters));
      ops.put(
          "depthwise_epilogue",
          () -> Tensor.apply(new Epilogue(depthwise, 2, CHAIN), channels, filters, channels));
      ops.put("pool2d", () -> Tensor.apply(new Pool2d(Pool2d.Fn.MAX, window, false), channels));
      return ops;
    }
  }

  @Test
  @Timeout(120)
  void buffersComeBackWhenMemoryRunsOut() {
    List<String> options =
        List.of(
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Xmx64m",
            "-Dquern.memory.limit=8m",
            "-Dquern.vector=off",
            "--add-modules",
            "jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED");
    assertThat(ChildJvm.run(options, Squeezer.class)).isEqualTo("done");
  }
}
