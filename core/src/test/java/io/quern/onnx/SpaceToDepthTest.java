package io.quern.onnx;

import io.quern.DType;
import io.quern.Tensor;
import org.junit.jupiter.api.Test;

/** The element at row i and column j of a block goes to the channel that the mode tells. */
class SpaceToDepthTest {
  private static final int CHANNELS = 3;
  private static final int BLOCK = 2;
  private static final int HEIGHT = 4;
  private static final int WIDTH = 6;

  private static long[] expected(boolean depthFirst) {
    int rows = HEIGHT / BLOCK;
    int columns = WIDTH / BLOCK;
    long[] y = new long[CHANNELS * HEIGHT * WIDTH];
    for (int c = 0; c < CHANNELS; c++) {
      for (int h = 0; h < HEIGHT; h++) {
        for (int w = 0; w < WIDTH; w++) {
          int from = (c * HEIGHT + h) * WIDTH + w;
          int place = h % BLOCK * BLOCK + w % BLOCK;
          int channel = depthFirst ? place * CHANNELS + c : c * BLOCK * BLOCK + place;
          y[(channel * rows + h / BLOCK) * columns + w / BLOCK] = from;
        }
      }
    }
    return y;
  }

  private static OneNode node(long opset) {
    Tensor x = Tensor.arange(CHANNELS * HEIGHT * WIDTH, DType.I64);
    return new OneNode("SpaceToDepth", opset)
        .in(x.reshape(1, CHANNELS, HEIGHT, WIDTH))
        .integer("blocksize", BLOCK);
  }

  @Test
  void modesOrderTheChannels() {
    node(13).gives(expected(true));
    node(28).gives(expected(true));
    node(28).text("mode", "DCR").gives(expected(true));
    node(28).text("mode", "CRD").gives(expected(false));
  }
}
