package io.quern.cuda;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.AttentionGrad;
import io.quern.op.GatherGrad;
import io.quern.op.Op;
import io.quern.op.TensorSpec;
import io.quern.op.Unary;
import io.quern.plan.Compiled;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** Times of plans of one op or a few on a GPU, as a table. */
final class GpuBench {
  private static final Device GPU = Device.of("cuda");
  private static final int MEGA = 1 << 20;

  /** What lines start with. */
  private static String wanted = "";

  private GpuBench() {}

  /** Prints all lines, or those that start with {@code args[0]}. */
  public static void main(String[] args) {
    wanted = args.length == 0 ? "" : args[0];
    System.out.println(GPU.describe());
    if (wanted.isEmpty()) {
      transfers();
      launches();
    }
    memory("copy", 2, x -> x.neg());
    memory("chain of 5", 2, x -> x.mul(2).add(1).tanh().mul(x).relu());
    memory("gelu", 2, x -> x.map(Unary.Fn.GELU));
    memory("sum", 1, x -> x.sum());
    memory("sum of rows", 1, x -> x.reshape(-1, 1024).sum(1));
    memory("sum of columns", 1, x -> x.reshape(-1, 1024).sum(0));
    memory("add a row", 2, x -> x.reshape(-1, 1024).add(x.slice(0, 0, 1024)));
    memory("softmax", 2, x -> x.reshape(-1, 1024).softmax(1));
    indices();
    memory("cumsum of rows", 2, x -> x.reshape(-1, 1024).cumSum(1));
    memory("cumsum of columns", 2, x -> x.reshape(-1, 8192).cumSum(0));
    memory("cumsum of all", 2, x -> x.cumSum(0));
    memory("sort rows", 2, x -> x.reshape(-1, 1024).sort(1, false).values());
    memory("top 50", 1, x -> x.reshape(-1, MEGA / 16).topK(1, 50).values());
    attention(2, 12, 512, 64, false);
    attention(4, 16, 2048, 64, true);
    attention(4, 16, 2048, 128, false);
    for (int n : new int[] {256, 512, 1024, 2048, 4096, 8192}) {
      matmul(DType.F32, n);
    }
    for (int n : new int[] {1024, 2048, 4096, 8192}) {
      matmul(DType.BF16, n);
    }
  }

  private static void transfers() {
    float[] values = new float[16 * MEGA];
    Tensor tensor = Tensor.of(values);
    for (int i = 0; i < 2; i++) {
      long start = System.nanoTime();
      Tensor there = tensor.to(GPU);
      GPU.context().finish();
      long up = System.nanoTime() - start;
      start = System.nanoTime();
      there.to(Device.reference()).close();
      long down = System.nanoTime() - start;
      there.close();
      line("upload", up, 64.0 * MEGA / up, "GB/s");
      line("download", down, 64.0 * MEGA / down, "GB/s");
    }
  }

  /** Plans of one kernel and of many, whose kernels do next to nothing. */
  private static void launches() {
    TensorSpec spec = new TensorSpec(DType.F32, Shape.of(1024));
    Function<Tensor, Tensor> many =
        x -> {
          for (int i = 0; i < 50; i++) {
            x = x.neg();
          }
          return x;
        };
    launches("launch", compile(Tensor::neg, spec).with());
    launches("launch, one of 50 in a plan", compile(many, spec).with());
  }

  private static void launches(String name, Compiled compiled) {
    Tensor x = Rng.of(1).normal(1024).to(GPU);
    Tensor[] in = {x};
    Tensor[] out = {compiled.run(x)};
    int times = 20_000 / compiled.plan().steps();
    long best = Long.MAX_VALUE;
    for (int round = 0; round < 5; round++) {
      long start = System.nanoTime();
      for (int i = 0; i < times; i++) {
        compiled.runInto(in, out);
      }
      GPU.context().finish();
      best = Math.min(best, System.nanoTime() - start);
    }
    long each = best / times / compiled.plan().steps();
    line(name, each, each / 1e3, "us");
  }

  private static Compiled compile(Function<Tensor, Tensor> function, TensorSpec spec) {
    return Quern.compile(GPU, in -> List.of(function.apply(in.getFirst())), List.of(spec));
  }

  private static void memory(String name, int passes, Function<Tensor, Tensor> function) {
    if (!name.startsWith(wanted)) {
      return;
    }
    int count = 64 * MEGA;
    try (TensorScope _ = TensorScope.open()) {
      Tensor x = Rng.of(1).uniform(MEGA).to(GPU);
      x = x.reshape(1, -1).expand(Shape.of(64, MEGA)).reshape(count);
      Compiled compiled = compile(function, x.spec());
      long nanos = time(compiled, x);
      line(name + " " + compiled.plan().kernels(), nanos, 4.0 * count * passes / nanos, "GB/s");
    }
  }

  private static void indices() {
    int count = MEGA / 16;
    try (TensorScope _ = TensorScope.open()) {
      Tensor index = Tensor.of(Rng.of(2).permutation(count)).to(GPU);
      memory("gather rows", 2, x -> x.reshape(-1, 1024).gather(0, index));
      Op grad = new GatherGrad(0, Shape.of(count, 1024));
      memory("gather rows, gradient", 2, x -> Tensor.apply(grad, index, x.reshape(-1, 1024)));
    }
    memory("concat", 4, x -> Tensor.concat(1, x.reshape(-1, 1024), x.reshape(-1, 1024)));
    memory("pad", 2, x -> x.reshape(-1, 1024).pad(new long[] {1, 1}, new long[] {1, 1}, 0));
  }

  private static void attention(int batch, int heads, int length, int size, boolean causal) {
    if (!"attention".startsWith(wanted)) {
      return;
    }
    try (TensorScope _ = TensorScope.open()) {
      Tensor q = Rng.of(1).normal(batch, heads, length, size).to(GPU);
      Compiled forward = compile(x -> x.attention(q, q, null, causal), q.spec());
      Op op = new AttentionGrad(1 / Math.sqrt(size), causal);
      Compiled gradient = compile(x -> Tensor.apply(op, x, q, q, q, q), q.spec());
      double flops = 4e-3 * batch * heads * length * length * size / (causal ? 2 : 1);
      String name = q.shape() + (causal ? " causal" : "");
      long nanos = time(forward, q);
      line("attention " + name, nanos, flops / nanos, "TFLOP/s");
      nanos = time(gradient, q);
      line("attention gradient " + name, nanos, 2.5 * flops / nanos, "TFLOP/s");
    }
  }

  private static void matmul(DType dtype, int n) {
    String name = "matmul " + dtype + " " + n;
    if (!name.startsWith(wanted)) {
      return;
    }
    try (TensorScope _ = TensorScope.open()) {
      Tensor a = Rng.of(1).normal(n, n).to(GPU).to(dtype);
      Compiled compiled = compile(x -> x.matmul(a), a.spec());
      long nanos = time(compiled, a);
      line(name + " " + compiled.plan().kernels(), nanos, 2e-3 * n * n * n / nanos, "TFLOP/s");
    }
  }

  /** Nanoseconds of a run, the least of three batches that take a tenth of a second each. */
  private static long time(Compiled compiled, Tensor x) {
    Tensor[] in = {x};
    Tensor[] out = {compiled.run(x)};
    GPU.context().finish();
    long best = Long.MAX_VALUE;
    int times = 1;
    for (int round = 0; round < 5; round++) {
      long start = System.nanoTime();
      for (int i = 0; i < times; i++) {
        compiled.runInto(in, out);
      }
      GPU.context().finish();
      long each = (System.nanoTime() - start) / times;
      best = round < 2 ? Long.MAX_VALUE : Math.min(best, each);
      times = Math.clamp(100_000_000 / Math.max(1, each), 1, 2000);
    }
    return best;
  }

  private static void line(String name, long nanos, double figure, String unit) {
    System.out.printf(Locale.ROOT, "%-60s %12.1f us %10.1f %s%n", name, nanos / 1e3, figure, unit);
  }
}
