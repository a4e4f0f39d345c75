package io.quern.gpu;

import io.quern.backend.Operands;
import io.quern.runtime.Raw;
import java.util.List;

/** A function with its grid and parameters, but for the addresses of the operands. Immutable. */
public final class Launch {
  /** Bytes for the values of a launch, and as many for their addresses. */
  static final int FRAME = 2048;

  private final long function;
  private final Grid grid;
  private final long[] words;
  private final int[] starts;
  private final int[] sizes;
  private final int[] operands;
  private final int[] operandWords;
  private final List<Parameters.Late> lates;

  private Launch(Gpu gpu, String name, long function, Grid grid, Parameters parameters) {
    if (function == 0) {
      throw new GpuException(gpu.backend() + " has no function " + name, 0, false);
    }
    int most = gpu.mostThreads(function);
    if (grid.threads() > most) {
      throw new GpuException(
          "%s: %s takes at most %d threads of a block, not %d"
              .formatted(gpu.backend(), name, most, grid.threads()),
          0,
          false);
    }
    if (grid.shared() > 0) {
      gpu.reserveShared(function, grid.shared());
    }
    this.function = function;
    this.grid = grid;
    this.words = parameters.words();
    this.starts = parameters.starts();
    this.sizes = parameters.sizes();
    this.operands = parameters.operands();
    this.operandWords = parameters.operandWords();
    this.lates = parameters.lates();
    if (8 * words.length > FRAME) {
      throw new IllegalArgumentException(words.length + " words of parameters");
    }
  }

  /**
   * A launch of a function of one of the project's sources.
   *
   * @throws GpuException if the driver refuses the source, or the function so many threads
   */
  public static Launch of(
      GpuContext context, String file, String name, Grid grid, Parameters parameters) {
    long function = context.modules().function(file, name);
    return new Launch(context.gpu(), name, function, grid, parameters);
  }

  /**
   * A launch of a function of a generated source.
   *
   * @throws GpuException if the driver refuses the source, or the function so many threads
   */
  public static Launch generated(
      GpuContext context, String text, String name, Grid grid, Parameters parameters) {
    long function = context.modules().generated(text, name);
    return new Launch(context.gpu(), name, function, grid, parameters);
  }

  /**
   * Queues the function.
   *
   * @param scratch address that stands for the operand after the last one
   * @param frame address of twice {@value #FRAME} bytes that nobody else uses meanwhile
   */
  void queue(Gpu gpu, Operands memory, long scratch, long frame) {
    if (grid.isEmpty()) {
      return;
    }
    for (int i = 0; i < words.length; i++) {
      Raw.putLong(frame + 8L * i, words[i]);
    }
    for (int i = 0; i < operands.length; i++) {
      int operand = operands[i];
      int word = operandWords[i];
      long address = operand == memory.count() ? scratch : memory.address(operand);
      Raw.putLong(frame + 8L * word, address + words[word]);
    }
    for (int i = 0; i < lates.size(); i++) {
      Parameters.Late late = lates.get(i);
      late.value().write(memory.address(late.operand()), frame + 8L * late.word());
    }
    for (int i = 0; i < starts.length; i++) {
      Raw.putLong(frame + FRAME + 8L * i, frame + 8L * starts[i]);
    }
    gpu.launch(function, grid, sizes, frame + FRAME);
  }
}
