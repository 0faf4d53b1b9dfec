// Runs a Faust program without a device: PROGRAM VOICES SECONDS SPAN [FILE]
// 48 kHz in blocks of 128. Zones "f<i>", "e<i>", "t<i>" are a voice's pitch, its envelope (set once
// a block) and its strike. Voices are struck twice a second, staggered by the golden ratio, on notes
// of SPAN semitones from 28, as in bench/_synths_ours.py. With FILE the sum is written as floats.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif
#define FAUSTFLOAT float
#include "faust/dsp/dsp.h"
#include "faust/gui/UI.h"
#include "faust/gui/meta.h"
<<includeIntrinsic>>
<<includeclass>>

struct Zones : public UI {
    std::vector<float*> pitch, envelope, strike;
    void found(const char* label, float* zone) {
        if (label[0] == 'f') pitch.push_back(zone);
        if (label[0] == 'e') envelope.push_back(zone);
        if (label[0] == 't') strike.push_back(zone);
    }
    void openTabBox(const char*) override {}
    void openHorizontalBox(const char*) override {}
    void openVerticalBox(const char*) override {}
    void closeBox() override {}
    void addButton(const char* label, float* zone) override { found(label, zone); }
    void addCheckButton(const char* label, float* zone) override { found(label, zone); }
    void addVerticalSlider(const char* label, float* zone, float, float, float, float) override {
        found(label, zone);
    }
    void addHorizontalSlider(const char* label, float* zone, float, float, float, float) override {
        found(label, zone);
    }
    void addNumEntry(const char* label, float* zone, float, float, float, float) override {
        found(label, zone);
    }
    void addHorizontalBargraph(const char*, float*, float, float) override {}
    void addVerticalBargraph(const char*, float*, float, float) override {}
    void addSoundfile(const char*, const char*, Soundfile**) override {}
    void declare(float*, const char*, const char*) override {}
};

const int BLOCK = 128, EVERY = 187;  // blocks between two strikes: 0.499 s

int main(int, char** words) {
    const int voices = atoi(words[1]), span = atoi(words[3]);
    const long blocks = long(atof(words[2]) * 48000 / BLOCK);
    FILE* file = words[4] ? fopen(words[4], "wb") : nullptr;
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | 0x8040);  // denormals are zero
#endif
    std::vector<mydsp*> programs;
    std::vector<Zones*> zones;
    for (int have = 0; have < voices;) {
        programs.push_back(new mydsp());
        zones.push_back(new Zones());
        programs.back()->init(48000);
        programs.back()->buildUserInterface(zones.back());
        for (float* zone : zones.back()->pitch)
            *zone = 440.f * powf(2.f, (28 + (5 + 7 * have++) % span - 69) / 12.f);
        if (zones.back()->pitch.empty()) have++;
    }
    const int ins = programs[0]->getNumInputs(), outs = programs[0]->getNumOutputs();
    std::vector<float> samples((ins + outs) * BLOCK), sum(outs * BLOCK);
    std::vector<float*> in, out;
    for (int c = 0; c < ins; c++) in.push_back(&samples[c * BLOCK]);
    for (int c = 0; c < outs; c++) out.push_back(&samples[(ins + c) * BLOCK]);
    for (long block = 0; block < blocks; block++) {
        std::fill(sum.begin(), sum.end(), 0.f);
        int voice = 0;
        for (size_t k = 0; k < programs.size(); k++) {
            for (int c = 0; c < ins; c++) {
                std::fill(in[c], in[c] + BLOCK, 0.f);
                if (block % EVERY == 0) in[c][0] = 1.f;
            }
            const Zones& z = *zones[k];
            for (size_t j = 0; j < z.pitch.size(); j++, voice++) {
                const long late = long(EVERY * fmod(voice * 0.618034, 1.0));
                const long age = (block + EVERY - late) % EVERY;
                if (j < z.envelope.size()) *z.envelope[j] = expf(-age * (1.f / 63.f));
                if (j < z.strike.size()) *z.strike[j] = age == 0;
            }
            programs[k]->compute(BLOCK, in.data(), out.data());
            for (int i = 0; i < outs * BLOCK; i++) sum[i] += out[i / BLOCK][i % BLOCK];
        }
        if (file) fwrite(sum.data(), 4, BLOCK, file);
    }
    if (file) fclose(file);
    return 0;
}
