package io.quern.text;

/** How the states that a model gives for the tokens of a text become one vector. */
public enum Pooling {
  /** Their mean. */
  MEAN {
    @Override
    void pool(float[] states, int offset, int tokens, float[] vector) {
      double[] sums = new double[vector.length];
      for (int token = 0; token < tokens; token++) {
        for (int i = 0; i < sums.length; i++) {
          sums[i] += states[offset + token * sums.length + i];
        }
      }
      for (int i = 0; i < sums.length; i++) {
        vector[i] = (float) (sums[i] / tokens);
      }
    }
  },
  /** The state of the first token, {@code [CLS]} in BERT and its kin. */
  CLS {
    @Override
    void pool(float[] states, int offset, int tokens, float[] vector) {
      System.arraycopy(states, offset, vector, 0, vector.length);
    }
  };

  /**
   * Writes one vector.
   *
   * @param states those of the text's tokens lie one after the other from {@code offset} on
   */
  abstract void pool(float[] states, int offset, int tokens, float[] vector);
}
