package io.quern.cuda;

import io.quern.DType;
import io.quern.Device;
import io.quern.Quern;
import io.quern.Rng;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.op.AdamStep;
import io.quern.op.AttentionGrad;
import io.quern.op.BlockMatMul;
import io.quern.op.Conv2d;
import io.quern.op.Conv2dInputGrad;
import io.quern.op.Conv2dWeightGrad;
import io.quern.op.GatherGrad;
import io.quern.op.GroupNorm;
import io.quern.op.IntegerMatMul;
import io.quern.op.LayerNorm;
import io.quern.op.NormGrad;
import io.quern.op.Op;
import io.quern.op.Pool2d;
import io.quern.op.Pool2dGrad;
import io.quern.op.Random;
import io.quern.op.RmsNorm;
import io.quern.op.SgdStep;
import io.quern.op.SoftmaxGrad;
import io.quern.op.TensorSpec;
import io.quern.op.Unary;
import io.quern.op.Window;
import io.quern.plan.Compiled;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** Times of plans of one op or a few on a GPU, as a table. */
final class GpuBench {
  private static final Device GPU = Device.of("cuda");
  private static final int MEGA = 1 << 20;

  /** Times 2^20 elements of most tensors. */
  private static final int MEGAS = 64;

  /** What lines start with. */
  private static String wanted = "";

  private GpuBench() {}

  /** Prints all lines, or those that start with {@code args[0]}, or {@code transfers}. */
  public static void main(String[] args) {
    wanted = args.length == 0 ? "" : args[0];
    System.out.println(GPU.describe());
    if (wanted.isEmpty() || wanted.equals("transfers")) {
      transfers();
    }
    if (wanted.isEmpty()) {
      launches();
    }
    memory("copy", 2, x -> x.neg());
    memory("chain of 5", 2, x -> x.mul(2).add(1).tanh().mul(x).relu());
    memory("gelu", 2, x -> x.map(Unary.Fn.GELU));
    memory("sum", 1, x -> x.sum());
    memory("sum of rows", 1, x -> x.reshape(-1, 1024).sum(1));
    memory("sum of columns", 1, x -> x.reshape(-1, 1024).sum(0));
    memory("add a row", 2, x -> x.reshape(-1, 1024).add(x.slice(0, 0, 1024)));
    rows();
    ofGibibyte("chain of 5", x -> x.mul(2).add(1).tanh().mul(x).relu());
    ofGibibyte("softmax", x -> x.reshape(-1, 1024).softmax(1));
    Tensor weights = Rng.of(1).uniform(1024).to(GPU);
    ofGibibyte(
        "layer norm",
        x -> Tensor.apply(new LayerNorm(1, 1e-5), x.reshape(-1, 1024), weights, weights));
    narrow(DType.BF16);
    steps();
    indices();
    memory("cumsum of rows", 2, x -> x.reshape(-1, 1024).cumSum(1));
    memory("cumsum of columns", 2, x -> x.reshape(-1, 8192).cumSum(0));
    memory("cumsum of all", 2, x -> x.cumSum(0));
    memory("sort rows", 2, x -> x.reshape(-1, 1024).sort(1, false).values());
    memory("top 50", 1, x -> x.reshape(-1, MEGA / 16).topK(1, 50).values());
    attention(DType.F32, 2, 12, 512, 64, false);
    attention(DType.F32, 4, 16, 2048, 64, true);
    attention(DType.F32, 4, 16, 2048, 128, false);
    attention(DType.BF16, 4, 32, 4096, 64, false);
    for (boolean causal : new boolean[] {false, true}) {
      attention(DType.BF16, 32, 16, 512, 128, causal);
      attention(DType.BF16, 4, 16, 4096, 128, causal);
      attention(DType.BF16, 1, 16, 16_384, 128, causal);
    }
    for (int n : new int[] {256, 512, 1024, 2048, 4096, 8192}) {
      matmul(DType.F32, n);
    }
    for (int n : new int[] {1024, 2048, 4096, 8192}) {
      matmul(DType.BF16, n);
    }
    linear(1024);
    byteProduct("matmul I8 4096", 4096, 4096);
    byteProduct("matmul I8 1x4096", 1, 4096);
    for (int rows : new int[] {1, 8, 512}) {
      blockProduct(rows, 4096);
    }
    convolutions();
    pool("pool 2x2, 256x32x28x28", Shape.of(256, 32, 28, 28), Window.of(2).stride(2));
    pool(
        "pool 3x3 s2, 32x64x112x112",
        Shape.of(32, 64, 112, 112),
        Window.of(3).stride(2).padding(1));
  }

  /** Those of the quickstart and of ResNet-50, and a depthwise one. */
  private static void convolutions() {
    convolution(256, 1, 28, 32, 3, 1, 1);
    convolution(256, 32, 14, 64, 3, 1, 1);
    convolution(32, 3, 224, 64, 7, 2, 1);
    convolution(32, 64, 56, 64, 1, 1, 1);
    convolution(32, 64, 56, 64, 3, 1, 1);
    convolution(32, 64, 56, 256, 1, 1, 1);
    convolution(32, 128, 56, 128, 3, 2, 1);
    convolution(32, 128, 28, 128, 3, 1, 1);
    convolution(32, 256, 14, 256, 3, 1, 1);
    convolution(32, 1024, 14, 256, 1, 1, 1);
    convolution(32, 512, 7, 512, 3, 1, 1);
    convolution(32, 512, 7, 2048, 1, 1, 1);
    convolution(32, 384, 14, 384, 3, 1, 384);
  }

  private static void rows() {
    memory("softmax", 2, x -> x.reshape(-1, 1024).softmax(1));
    memory("softmax of 64", 2, x -> x.reshape(-1, 64).softmax(1));
    memory("softmax of 4096", 2, x -> x.reshape(-1, 4096).softmax(1));
    memory("softmax of 50257", 2, x -> x.slice(0, 0, 1335L * 50257).reshape(-1, 50257).softmax(1));
    memory("log softmax", 2, x -> x.reshape(-1, 1024).logSoftmax(1));
    memory(
        "softmax grad",
        1.5,
        x -> Tensor.apply(new SoftmaxGrad(1, false), part(x, 2, 0), part(x, 2, 1)));
    Tensor gamma = Rng.of(1).uniform(4096).to(GPU);
    for (int length : new int[] {768, 4096}) {
      Tensor weights = gamma.slice(0, 0, length);
      int rows = 64 * MEGA / length;
      Function<Tensor, Tensor> whole =
          x -> x.slice(0, 0, (long) rows * length).reshape(rows, length);
      memory(
          "layer norm of " + length,
          2,
          x -> Tensor.apply(new LayerNorm(1, 1e-5), whole.apply(x), weights, weights));
      memory(
          "rms norm of " + length,
          2,
          x -> Tensor.apply(new RmsNorm(1, 1e-5), whole.apply(x), weights));
    }
    Tensor channels = gamma.slice(0, 0, 64);
    memory(
        "group norm",
        2,
        x -> Tensor.apply(new GroupNorm(32, 1e-5), x.reshape(-1, 64, 32, 32), channels, channels));
    Tensor weights = gamma.slice(0, 0, 1024);
    memory(
        "layer norm grad",
        1.5,
        x ->
            Tensor.applyAll(new NormGrad(1, 1e-5, true), part(x, 2, 0), weights, part(x, 2, 1))[0]);
    memory("argmax of rows", 1, x -> x.reshape(-1, 1024).argmax(1));
    memory("argmax of columns", 1, x -> x.reshape(-1, 1024).argmax(0));
  }

  /** Elementwise functions and rows of elements of 16 bits. */
  private static void narrow(DType dtype) {
    try (TensorScope _ = TensorScope.open()) {
      Tensor weights = Rng.of(1).uniform(1024).to(GPU).to(dtype);
      Tensor y = uniform(dtype, MEGAS);
      memory("copy " + dtype, dtype, 2, x -> x.neg());
      memory("add " + dtype, dtype, 3, x -> x.add(y));
      memory("add a row " + dtype, dtype, 2, x -> x.reshape(-1, 1024).add(weights));
      memory("gelu " + dtype, dtype, 2, x -> x.map(Unary.Fn.GELU));
      memory("cast F32 from " + dtype, dtype, 3, x -> x.to(DType.F32));
      memory("softmax " + dtype, dtype, 2, x -> x.reshape(-1, 1024).softmax(1));
      memory(
          "layer norm " + dtype,
          dtype,
          2,
          x -> Tensor.apply(new LayerNorm(1, 1e-5), x.reshape(-1, 1024), weights, weights));
      memory(
          "rms norm " + dtype,
          dtype,
          2,
          x -> Tensor.apply(new RmsNorm(1, 1e-5), x.reshape(-1, 1024), weights));
    }
  }

  private static void steps() {
    step("sgd", new SgdStep(0.9, false, 0), 1, 0.1f);
    step("adam", new AdamStep(0.9, 0.999, 1e-8, 0.01, true), 2, 0.1f, 0.5f, 0.5f);
    TensorSpec spec = new TensorSpec(DType.F32, Shape.of(64 * MEGA));
    for (Random.Distribution distribution : Random.Distribution.values()) {
      Random random = new Random(distribution, spec);
      if (!random.name().startsWith(wanted)) {
        continue;
      }
      try (TensorScope _ = TensorScope.open()) {
        Tensor key = Tensor.of(new long[] {1, 0}).to(GPU);
        timed(random.name(), 256.0 * MEGA, "GB/s", key, x -> Tensor.apply(random, x));
      }
    }
  }

  /** An optimiser's step, in place as in training: the mean of some in a plan. */
  private static void step(String name, Op op, int states, float... scalars) {
    if (!name.startsWith(wanted)) {
      return;
    }
    int count = 16 * MEGA;
    int steps = 10;
    try (TensorScope _ = TensorScope.open()) {
      Tensor x = Rng.of(1).uniform(count).to(GPU);
      Tensor rates = Tensor.of(scalars).to(GPU);
      Compiled compiled =
          compile(
              parameter -> {
                Tensor[] in = new Tensor[3 + states];
                Arrays.fill(in, x);
                in[0] = parameter;
                in[2 + states] = rates;
                for (int i = 0; i < steps; i++) {
                  Tensor[] out = Tensor.applyAll(op, in);
                  in[0] = out[0];
                  System.arraycopy(out, 1, in, 2, states);
                }
                return in[0];
              },
              x.spec());
      long nanos = time(compiled, x) / steps;
      double bytes = 4.0 * count * (3 + 2 * states);
      List<String> kernels = compiled.plan().kernels().stream().distinct().toList();
      line(name, nanos, bytes / nanos, "GB/s", kernels);
    }
  }

  /** One of so many parts of all rows of 1024 elements. */
  private static Tensor part(Tensor x, int parts, int index) {
    long rows = 64L * MEGA / 1024 / parts;
    return x.reshape(-1, 1024).slice(0, index * rows, (index + 1) * rows);
  }

  private static void transfers() {
    float[] values = new float[16 * MEGA];
    Tensor tensor = Tensor.of(values);
    for (int i = 0; i < 5; i++) {
      long start = System.nanoTime();
      Tensor there = tensor.to(GPU);
      GPU.context().finish();
      long up = System.nanoTime() - start;
      start = System.nanoTime();
      there.to(Device.reference()).close();
      long down = System.nanoTime() - start;
      if (Device.available().contains("cuda:1")) {
        toPeer(there, Device.of("cuda:1"));
      }
      there.close();
      line("upload", up, 64.0 * MEGA / up, "GB/s");
      line("download", down, 64.0 * MEGA / down, "GB/s");
    }
  }

  private static void toPeer(Tensor tensor, Device peer) {
    long start = System.nanoTime();
    Tensor there = tensor.to(peer);
    peer.context().finish();
    long time = System.nanoTime() - start;
    there.close();
    line("to another GPU", time, 64.0 * MEGA / time, "GB/s");
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

  private static void memory(String name, double passes, Function<Tensor, Tensor> function) {
    memory(name, DType.F32, passes, function);
  }

  private static void memory(
      String name, DType dtype, double passes, Function<Tensor, Tensor> function) {
    memory(name, dtype, MEGAS, passes, function);
  }

  private static void ofGibibyte(String name, Function<Tensor, Tensor> function) {
    memory(name + ", 1 GiB", DType.F32, 256, 2, function);
  }

  /** Time of a function of so many times 2^20 elements, which it reads or writes so many times. */
  private static void memory(
      String name, DType dtype, int megas, double passes, Function<Tensor, Tensor> function) {
    if (!name.startsWith(wanted)) {
      return;
    }
    try (TensorScope _ = TensorScope.open()) {
      Tensor x = uniform(dtype, megas);
      Compiled compiled = compile(function, x.spec());
      long nanos = time(compiled, x);
      double bytes = passes * x.spec().byteSize();
      line(name, nanos, bytes / nanos, "GB/s", compiled.plan().kernels());
    }
  }

  private static Tensor uniform(DType dtype, int megas) {
    Tensor x = Rng.of(1).uniform(MEGA).to(GPU).to(dtype);
    return x.reshape(1, -1).expand(Shape.of(megas, MEGA)).reshape((long) megas * MEGA);
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

  private static void attention(
      DType dtype, int batch, int heads, int length, int size, boolean causal) {
    if (!"attention".startsWith(wanted)) {
      return;
    }
    try (TensorScope _ = TensorScope.open()) {
      Tensor q = Rng.of(1).normal(batch, heads, length, size).to(GPU).to(dtype);
      Compiled forward = compile(x -> x.attention(q, q, null, causal), q.spec());
      Op op = new AttentionGrad(1 / Math.sqrt(size), causal);
      Compiled gradient = compile(x -> Tensor.apply(op, x, q, q, q, q), q.spec());
      double flops = 4e-3 * batch * heads * length * length * size / (causal ? 2 : 1);
      String kind = (dtype == DType.F32 ? "" : " " + dtype) + (causal ? " causal" : "");
      String name = q.shape() + kind;
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
      line(name, nanos, 2e-3 * n * n * n / nanos, "TFLOP/s", compiled.plan().kernels());
      if (n == 8192) {
        nanos = timeAfterRest(compiled, a);
        line(name + ", ten after a rest", nanos, 2e-3 * n * n * n / nanos, "TFLOP/s");
      }
    }
  }

  private static void linear(int n) {
    String name = "linear " + n + " with bias and relu";
    if (!name.startsWith(wanted)) {
      return;
    }
    try (TensorScope _ = TensorScope.open()) {
      Tensor weight = Rng.of(1).normal(n, n).to(GPU);
      Tensor bias = Rng.of(2).normal(n).to(GPU);
      double work = 2e-3 * n * n * n;
      timed(name, work, "TFLOP/s", weight, x -> x.matmul(weight).add(bias).relu());
    }
  }

  /** Times a product of m rows with a square matrix. */
  private static void byteProduct(String name, int m, int n) {
    if (!name.startsWith(wanted)) {
      return;
    }
    try (TensorScope _ = TensorScope.open()) {
      Tensor a = Rng.of(1).normal(m, n).mul(50).to(GPU).to(DType.I8);
      Tensor b = Rng.of(2).normal(n, n).mul(50).to(GPU).to(DType.I8);
      Tensor zero = Tensor.of(new float[1], 1).to(GPU).to(DType.I8);
      Op op = new IntegerMatMul(DType.I32);
      timed(name, 2e-3 * m * n * n, "TFLOP/s", a, x -> Tensor.apply(op, x, zero, b, zero));
    }
  }

  /** Weights of 4 bits, in blocks of 32; of one row or a few the bytes that are read count. */
  private static void blockProduct(int m, int n) {
    String name = "4 bits %dx%d".formatted(m, n);
    if (!name.startsWith(wanted)) {
      return;
    }
    try (TensorScope _ = TensorScope.open()) {
      Tensor a = Rng.of(1).normal(m, n).to(GPU);
      Tensor q = Rng.of(2).uniform(n, n / 32, 16).mul(255).to(GPU).to(DType.U8);
      Tensor scales = Rng.of(3).uniform(n, n / 32).to(GPU);
      double bytes = n * (n / 2. + n / 8.);
      boolean isFew = m < 32;
      timed(
          name,
          isFew ? bytes : 2e-3 * m * n * n,
          isFew ? "GB/s" : "TFLOP/s",
          a,
          x -> Tensor.apply(new BlockMatMul(4, 32), x, q, scales));
    }
  }

  private static void convolution(
      int batch, int channels, int size, int filters, int kernel, int stride, int groups) {
    String name =
        String.format(
            Locale.ROOT,
            "conv %dx%d s%d, %dx%dx%d -> %d",
            kernel,
            kernel,
            stride,
            batch,
            channels,
            size,
            filters);
    if (!name.startsWith(wanted)) {
      return;
    }
    Window window = Window.of(kernel).stride(stride).padding(kernel / 2);
    try (TensorScope _ = TensorScope.open()) {
      Rng rng = Rng.of(1);
      Tensor images = rng.normal(batch, channels, size, size).to(GPU);
      Tensor weight = rng.normal(filters, channels / groups, kernel, kernel).to(GPU);
      Op forward = new Conv2d(window, groups);
      Tensor gradient = Tensor.apply(forward, images, weight);
      Op inputGrad = new Conv2dInputGrad(window, groups, images.shape());
      Op weightGrad = new Conv2dWeightGrad(window, groups);
      double flops = 2e-3 * gradient.shape().size() * weight.shape().size() / filters;
      timed(name, flops, "TFLOP/s", images, x -> Tensor.apply(forward, x, weight));
      timed(
          name + " input grad",
          flops,
          "TFLOP/s",
          gradient,
          x -> Tensor.apply(inputGrad, weight, x));
      timed(
          name + " weight grad",
          flops,
          "TFLOP/s",
          gradient,
          x -> Tensor.apply(weightGrad, images, x));
    }
  }

  private static void pool(String name, Shape shape, Window window) {
    if (!name.startsWith(wanted)) {
      return;
    }
    try (TensorScope _ = TensorScope.open()) {
      Tensor images = Rng.of(1).normal(shape.toArray()).to(GPU);
      for (Pool2d.Fn fn : Pool2d.Fn.values()) {
        Pool2d pool = new Pool2d(fn, window, true);
        Tensor gradient = Tensor.apply(pool, images);
        double bytes = 4.0 * (images.shape().size() + gradient.shape().size());
        timed(name + " " + pool.name(), bytes, "GB/s", images, x -> Tensor.apply(pool, x));
        timed(
            name + " " + pool.name() + " grad",
            bytes,
            "GB/s",
            gradient,
            x -> Tensor.apply(new Pool2dGrad(pool), images, x));
      }
    }
  }

  /** Times a function, whose work is counted in thousands of flops or in bytes. */
  private static void timed(
      String name, double work, String unit, Tensor x, Function<Tensor, Tensor> function) {
    Compiled compiled = compile(function, x.spec());
    long nanos = time(compiled, x);
    line(name, nanos, work / nanos, unit, compiled.plan().kernels());
  }

  /** Nanoseconds of a run, the least of three batches that take a tenth of a second each. */
  static long time(Compiled compiled, Tensor... in) {
    Tensor[] out = {compiled.run(in)};
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

  /** Nanoseconds of one of ten runs before the GPU, grown warm, lowers its clock. */
  private static long timeAfterRest(Compiled compiled, Tensor in) {
    Tensor[] out = {compiled.run(in)};
    Tensor[] ins = {in};
    long best = Long.MAX_VALUE;
    for (int round = 0; round < 3; round++) {
      GPU.context().finish();
      try {
        Thread.sleep(2000);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
      for (int i = 0; i < 3; i++) {
        compiled.runInto(ins, out);
      }
      GPU.context().finish();
      long start = System.nanoTime();
      for (int i = 0; i < 10; i++) {
        compiled.runInto(ins, out);
      }
      GPU.context().finish();
      best = Math.min(best, (System.nanoTime() - start) / 10);
    }
    return best;
  }

  static void line(String name, long nanos, double figure, String unit) {
    line(name, nanos, figure, unit, List.of());
  }

  private static void line(
      String name, long nanos, double figure, String unit, List<String> kernels) {
    System.out.printf(
        Locale.ROOT,
        "%-50s %12.1f us %10.1f %-9s %s%n",
        name,
        nanos / 1e3,
        figure,
        unit,
        String.join(", ", kernels));
  }
}
