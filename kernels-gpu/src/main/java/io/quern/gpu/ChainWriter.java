package io.quern.gpu;

/**
 * Writes chains of elementwise functions as text that a device compiles, a module of one function
 * each. The text depends on the chain and on how its inputs lie, not on sizes, so that modules are
 * few.
 */
public interface ChainWriter {
  /** Name of the function. */
  String NAME = "chain";

  /** Elements of a thread where operands are dense. */
  int run(Chain chain);

  /** The most runs of a thread where operands are dense and long. */
  default int runs() {
    return 1;
  }

  /** Whether runs of elements must lie at multiples of 16 bytes. */
  boolean needsAlignment();

  /**
   * The chain on dense operands. Parameters: addresses of the output and of the inputs, and the
   * number of elements. A thread computes some runs of {@link #run} elements, as far apart as its
   * block has threads.
   *
   * @param scalar which inputs are one element for all
   * @param runs of a thread, 1 or {@link #runs}
   */
  String dense(Chain chain, boolean[] scalar, int runs);

  /**
   * The chain on inputs that lie anyhow, into a dense output. Parameters: addresses of the output
   * and of the inputs, the number of elements, the sizes of the dimensions but for the first from
   * the last one on, and for each input the bytes between neighbours of each dimension. A thread
   * computes one element.
   */
  String strided(Chain chain, int rank);

  /**
   * The chain on inputs whose rows, the last dimension, are dense or one element each; rows are
   * multiples of {@link #run} elements. Parameters as for {@link #strided}. A thread computes
   * {@link #run} elements.
   *
   * @param scalar which inputs have rows of one element
   */
  String rows(Chain chain, int rank, boolean[] scalar);
}
