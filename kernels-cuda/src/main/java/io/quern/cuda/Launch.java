package io.quern.cuda;

import io.quern.backend.Operands;
import io.quern.runtime.Raw;
import java.util.List;

/** A function with its grid and parameters, but for the addresses of the operands. Immutable. */
final class Launch {
  /** Bytes for the values of a launch, and as many for their addresses. */
  static final int FRAME = 2048;

  private final long function;
  private final Grid grid;
  private final long[] words;
  private final int[] starts;
  private final int[] operands;
  private final int[] operandWords;
  private final List<TileMap> maps;

  Launch(long function, Grid grid, Parameters parameters) {
    this.function = function;
    this.grid = grid;
    this.words = parameters.words();
    this.starts = parameters.starts();
    this.operands = parameters.operands();
    this.operandWords = parameters.operandWords();
    this.maps = parameters.maps();
    if (8 * words.length > FRAME) {
      throw new IllegalArgumentException("cuda: " + words.length + " words of parameters");
    }
  }

  /** A launch of a function of one of the project's CUDA sources. */
  static Launch of(
      CudaContext context, String file, String name, Grid grid, Parameters parameters) {
    return new Launch(context.modules().function(file, name), grid, parameters);
  }

  /**
   * Queues the function.
   *
   * @param frame address of twice {@value #FRAME} bytes that nobody else uses meanwhile
   * @param scratch address that stands for the operand after the last one
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
      Raw.putLong(
          frame + 8L * operandWords[i],
          operand == memory.count() ? scratch : memory.address(operand));
    }
    for (int i = 0; i < maps.size(); i++) {
      TileMap map = maps.get(i);
      gpu.encode(map, memory.address(map.operand()), frame + 8L * map.word());
    }
    for (int i = 0; i < starts.length; i++) {
      Raw.putLong(frame + FRAME + 8L * i, frame + 8L * starts[i]);
    }
    gpu.launch(function, grid, frame + FRAME);
  }
}
