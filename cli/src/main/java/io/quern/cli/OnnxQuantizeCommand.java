package io.quern.cli;

import io.quern.Tensor;
import io.quern.TensorScope;
import io.quern.io.Npy;
import io.quern.onnx.OnnxModel;
import io.quern.onnx.OnnxQuantizer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Quantises a model by examples. */
@Command(
    name = "quantize",
    description = "Make a model compute on bytes, with ranges that examples show.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class)
final class OnnxQuantizeCommand implements Callable<Integer> {
  /** Examples that run together where the model leaves the batch open. */
  private static final long BATCH = 32;

  @Spec private CommandSpec spec;

  @Parameters(index = "0", paramLabel = "MODEL", description = "The model in floats.")
  private Path path;

  @Parameters(index = "1", paramLabel = "OUT.onnx", description = "The file to write.")
  private Path out;

  @Option(
      names = "--input",
      required = true,
      paramLabel = "NAME=FILE.npy",
      description = "Examples for an input, one after another along the first axis; once for each.")
  private Map<String, Path> inputs = new LinkedHashMap<>();

  private OnnxQuantizeCommand() {}

  @Override
  public Integer call() {
    OnnxQuantizer quantizer = OnnxQuantizer.load(path);
    Map<String, Tensor> examples = new LinkedHashMap<>();
    inputs.forEach((name, file) -> examples.put(name, Npy.read(file)));
    OptionalLong fixed = fixedBatch(quantizer);
    long batch = fixed.orElse(BATCH);
    long count = count(examples, fixed.orElse(1));
    try (ProgressBar bar =
        new ProgressBarBuilder().setTaskName("calibrate").setInitialMax(count).build()) {
      for (long first = 0; first < count; first += batch) {
        long end = Math.min(count, first + batch);
        try (TensorScope _ = TensorScope.open("calibration")) {
          Map<String, Tensor> part = new LinkedHashMap<>();
          long from = first;
          examples.forEach((name, all) -> part.put(name, all.slice(0, from, end).contiguous()));
          quantizer.calibrate(part);
        }
        bar.stepTo(end);
      }
    }
    quantizer.write(out);
    PrintWriter text = spec.commandLine().getOut();
    text.printf(
        "wrote %s: %d operators on bytes, %,d bytes (%,d before), %d examples%n",
        out, quantizer.quantizedNodes(), size(out), size(path), count);
    text.flush();
    return CommandLine.ExitCode.OK;
  }

  /** Examples that the model takes at a time, unless it takes any number of them. */
  private OptionalLong fixedBatch(OnnxQuantizer quantizer) {
    OptionalLong batch = OptionalLong.empty();
    for (OnnxModel.Parameter input : quantizer.inputs()) {
      List<String> dims = input.dims();
      if (dims != null && !dims.isEmpty() && Character.isDigit(dims.getFirst().charAt(0))) {
        batch = OptionalLong.of(Long.parseLong(dims.getFirst()));
      }
    }
    if (batch.isPresent() && batch.getAsLong() == 0) {
      throw new UserException(
          path + " takes no examples: the first dimension of an input is 0; export it anew");
    }
    return batch;
  }

  /**
   * As many examples as all inputs have; they come in groups of {@code batch}, the rest is left.
   */
  private long count(Map<String, Tensor> examples, long batch) {
    long count = -1;
    for (Map.Entry<String, Tensor> each : examples.entrySet()) {
      Tensor all = each.getValue();
      long here = all.rank() == 0 ? 0 : all.dim(0) / batch * batch;
      if (here == 0 || (count >= 0 && here != count)) {
        throw new UserException(
            inputs.get(each.getKey())
                + " has the shape "
                + all.shape()
                + ", expected as many examples as the others have, and at least "
                + batch);
      }
      count = here;
    }
    return count;
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
