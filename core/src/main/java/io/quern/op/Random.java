package io.quern.op;

import io.quern.DType;
import io.quern.Shape;
import java.util.List;
import java.util.Locale;

/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11). Input: I64[2] of seed and
 * first counter. Element {@code i} is word {@code i % 4} of the block with counter {@code first + i
 * / 4}, so the bits depend on nothing but seed, counter and position.
 */
public record Random(Distribution distribution, TensorSpec spec) implements Op {
  /** What is drawn. */
  public enum Distribution {
    /**
     * The leading 24 bits of the word as multiples of 2^-24 in [0, 1). F16 takes 11 bits and BF16
     * 8, since rounding could give 1.
     */
    UNIFORM,
    /** Mean 0, variance 1, by Box and Muller from two words of one block, in strict doubles. */
    NORMAL
  }

  @Override
  public String name() {
    return "random_" + distribution.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> inputs) {
    OpCheck.inputCount(name(), inputs, 1);
    OpCheck.require(
        inputs.getFirst().equals(new TensorSpec(DType.I64, Shape.of(2))),
        name(),
        "the key must be I64[2], found %s",
        inputs.getFirst());
    OpCheck.floating(name(), spec);
    return List.of(spec);
  }
}
