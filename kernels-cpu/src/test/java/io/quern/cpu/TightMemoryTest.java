package io.quern.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.ChildJvm;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.AttentionGrad;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
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

    private Squeezer() {}

    public static void main(String[] args) {
      int failures = 0;
      for (Map.Entry<String, Supplier<Tensor>> op : ops().entrySet()) {
        op.getValue().get().close();
        Deque<MemoryPool.Block> large = fill(1 << 16);
        Deque<MemoryPool.Block> small = fill(1 << 12);
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
      }
      System.out.println(failures > 10 ? "done" : "only " + failures + " ran out of memory");
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
